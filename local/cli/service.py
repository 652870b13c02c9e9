"""`interlock service`: what an account is entitled to and why; people suspend and resume it."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from interlock.canonical.contracts import Contract
from interlock.canonical.services import Service
from interlock.contracts import Contracts
from interlock.rules.entitlements import assess
from interlock.suspensions import DONE, Instruction, Interruption, Suspensions
from rich.text import Text

from local.cli.api import OPERATOR_ROLE, Api, as_option
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
from local.cli.systems import StackConnection
from local.cli.target import Target, pass_target


@click.command()
@click.argument("account")
@click.argument("action", required=False, type=click.Choice(["suspend", "resume"]))
@click.option("--reason", help="Why; it is kept.")
@as_option
@json_option
@pass_target
def service(
    target: Target,
    account: str,
    action: str | None,
    reason: str | None,
    person: str | None,
    as_json: bool,
) -> None:
    """Show what ACCOUNT is entitled to and why; or suspend it, or resume its service.

    ACCOUNT is its id in the CRM, or its canonical id.
    """
    id = account if ":" in account else f"{_crm(target)}:{account}"
    if action:
        if reason is None:
            raise click.UsageError(f"say with --reason why to {action} the service")
        _change(Api(target, person, OPERATOR_ROLE), id, {"action": action, "reason": reason})
        return
    contracts = Contracts(target.id("ContractsTable"), target.dynamodb).of_account(id)
    suspensions = Suspensions(target.id("SuspensionsTable"), target.dynamodb)
    assessed = assess(id, contracts, suspensions.get(id), datetime.now(UTC).date())
    if as_json:
        print_json(
            {"service": assessed, "contracts": contracts, "suspension": suspensions.last(id)}
        )
    else:
        _show(assessed, contracts, suspensions.last(id))


def _crm(target: Target) -> str:
    """What the CRM is called in canonical ids."""
    return StackConnection.of(target, "CrmConnection").name


def _change(api: Api, id: str, body: dict[str, str]) -> None:
    answer = api.post(f"/accounts/{id}/service", body)
    console().print(Text.assemble((f"{id}  ", "bold"), status(DONE[body["action"]])))
    hint = f"Who is told: interlock runs {answer['transaction']}"
    console(stderr=True).print(hint, style="dim")


def _show(assessed: Service, contracts: tuple[Contract, ...], last: Interruption | None) -> None:
    out = console()
    out.print(Text.assemble((f"{assessed.account_id}  ", "bold"), status(assessed.state)))
    told = facts()
    for entitlement in assessed.entitlements:
        told.add_row(entitlement.sku, f"{entitlement.quantity:f}")
    if assessed.until:
        told.add_row("Until", f"{assessed.until}")
    if last:
        told.add_row("Suspended", _told(last.suspended))
    if last and last.resumed:
        told.add_row("Resumed", _told(last.resumed))
    out.print(told)
    if not contracts:
        out.print("No contract of this account was ever recorded.")
        return
    printed = table("Contract", "Status", "From", "Until before", "Revision", right=["Revision"])
    for contract in sorted(contracts, key=lambda each: each.starts_on):
        printed.add_row(
            contract.id,
            contract.status,
            f"{contract.starts_on}",
            f"{contract.ends_on}",
            f"{contract.revision}",
        )
    section(out, "By its contracts", printed)


def _told(instruction: Instruction) -> str:
    return f"by {instruction.by}, {moment(instruction.at)} UTC: {instruction.reason}"
