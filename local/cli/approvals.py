"""`interlock approvals`, `approve` and `reject`: what waits for a person, over the API.

A decision carries the hash of what the command has shown: should it be another credit, or another
offer, by then, it is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import click
from interlock.approvals import Approval, Status
from rich.text import Text

from local.cli.api import Api, as_option
from local.cli.output import (
    console,
    facts,
    json_option,
    moment,
    print_json,
    section,
    status,
    table,
)
from local.cli.target import Target, pass_target

reason_option = click.option("--reason", required=True, help="Why; it is kept.")


@click.command()
@click.argument("id", required=False)
@click.option(
    "--status", "wanted", type=click.Choice(get_args(Status)), default="pending", show_default=True
)
@click.option(
    "--link", "recipient", metavar="EMAIL",
    help="Print a link with which this person can decide about ID. Whoever has it is that person.",
)  # fmt: skip
@as_option
@json_option
@pass_target
def approvals(
    target: Target,
    id: str | None,
    wanted: str,
    recipient: str | None,
    person: str | None,
    as_json: bool,
) -> None:
    """List the credits and discounts that wait for an approval, the first due first; or show ID."""
    api = Api(target, person)
    if recipient:
        if id is None:
            raise click.UsageError("--link needs the ID of an approval")
        _print_link(api, id, recipient)
        return
    answer = api.get(f"/approvals/{id}") if id else api.get("/approvals", {"status": wanted})
    if as_json:
        print_json(answer if id else answer["approvals"])
    elif id:
        show(Approval.model_validate(answer))
    elif found := [Approval.model_validate(each) for each in answer["approvals"]]:
        _list(found)
    else:
        console().print(f"Nothing is {wanted}.")


@click.command()
@click.argument("id")
@reason_option
@as_option
@pass_target
def approve(target: Target, id: str, reason: str, person: str | None) -> None:
    """Approve ID as it is shown; its run goes on."""
    _decide(Api(target, person), id, "approve", reason)


@click.command()
@click.argument("id")
@reason_option
@as_option
@pass_target
def reject(target: Target, id: str, reason: str, person: str | None) -> None:
    """Reject ID; its run is told why."""
    _decide(Api(target, person), id, "reject", reason)


def show(approval: Approval) -> None:
    """What is asked, how it was computed, and what was decided."""
    out = console()
    told = facts()
    told.add_row("Asked for", f"{approval.wish}, net of tax, for {approval.account_id}")
    told.add_row("About", f"{approval.title} ({approval.subject})")
    told.add_row("Asked by", approval.requested_by)
    told.add_row("Terms", f"{approval.agreement}, version {approval.terms_version}")
    told.add_row("Rule", approval.rule)
    if approval.decision:
        decision = approval.decision
        text = f"{decision.by}, {moment(decision.at)} UTC, by {decision.how}: {decision.reason}"
        told.add_row("Decided", text)
    else:
        told.add_row("Who decides", f"{approval.role}: {', '.join(approval.people)}")
        told.add_row("Until", f"{moment(approval.due_at)} UTC{_overdue(approval)}")
    told.add_row("Hash", approval.subject_hash)
    out.print(Text.assemble((f"{approval.id}  ", "bold"), status(approval.status)))
    out.print(told)
    section(out, "How the amount was computed", "\n".join(approval.working))


def _decide(api: Api, id: str, action: str, reason: str) -> None:
    seen = Approval.model_validate(api.get(f"/approvals/{id}"))
    show(seen)
    body = {"action": action, "reason": reason, "subject_hash": seen.subject_hash}
    decided = Approval.model_validate(api.post(f"/approvals/{id}/decision", body))
    console().print(Text.assemble(f"\n{id}: ", status(decided.status)))
    hint = f"How it goes on: interlock runs {decided.transaction}"
    console(stderr=True).print(hint, style="dim")


def _print_link(api: Api, id: str, recipient: str) -> None:
    made = api.post(f"/approvals/{id}/links", {"person": recipient})
    click.echo(f"{api.url}{made['path']}")
    until = moment(datetime.fromisoformat(made["until"]))
    console(stderr=True).print(f"For {recipient} alone, until {until} UTC.", style="dim")


def _list(found: list[Approval]) -> None:
    printed = table(
        "Id", "Kind", "About", "Amount", "Who decides", "Asked by", "Until (UTC)",
        right=["Amount"], whole=["Id", "Amount", "Until (UTC)"],
    )  # fmt: skip
    for approval in found:
        printed.add_row(
            approval.id,
            approval.kind,
            approval.title,
            str(approval.amount),
            approval.role or "policy",
            approval.requested_by,
            f"{approval.due_at:%Y-%m-%d %H:%M}",
        )
    console().print(printed)


def _overdue(approval: Approval) -> str:
    return ", which is over" if approval.due_at <= datetime.now(UTC) else ""
