"""`interlock contracts`: what customers have signed, when it ends, and what has happened to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from interlock.canonical import Money
from interlock.canonical.contracts import Contract, ContractStatus
from interlock.canonical.records import RenewalTerms
from interlock.contracts import Contracts
from interlock.events import Event
from interlock.rules.milestones import milestones
from interlock.timeline import Timeline
from rich.text import Text

from local.cli.errors import Failure
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
from local.cli.transaction import summary


@click.command()
@click.argument("id", required=False)
@click.option("--ended", is_flag=True, help="Those that have ended, and not the others.")
@json_option
@pass_target
def contracts(target: Target, id: str | None, ended: bool, as_json: bool) -> None:
    """List the contracts, the first to end first; with ID, one of them and its history."""
    store = Contracts(target.id("ContractsTable"), target.dynamodb)
    if id:
        _show(target, store, id, as_json=as_json)
        return
    listed = store.by_status(ContractStatus.ENDED) if ended else store.served()
    found = sorted(listed, key=lambda contract: contract.ends_on)
    if as_json:
        print_json([_content(contract) for contract in found])
    elif found:
        _list(found)
    else:
        console().print(f"No contract {'has ended' if ended else 'is in force'}.")


def _list(found: list[Contract]) -> None:
    printed = table(
        "Id", "Customer", "Ends on", "A year", "Is", "Next milestone",
        right=["A year"], whole=["Id", "Ends on", "A year", "Is"],
    )  # fmt: skip
    for contract in found:
        printed.add_row(
            contract.id,
            contract.customer_name,
            contract.ends_on.isoformat(),
            str(_yearly(contract)),
            status(contract.status),
            _milestone(contract),
        )
    console().print(printed)


def _show(target: Target, store: Contracts, id: str, *, as_json: bool) -> None:
    contract = store.get(id)
    if contract is None:
        raise Failure(f"there is no contract {id!r}: see `interlock contracts`")
    timeline = Timeline(target.id("TimelineTable"), target.dynamodb)
    history = sorted(timeline.of_subject(id), key=lambda event: event.occurred_at)
    if as_json:
        print_json(_content(contract) | {"history": history})
        return
    out = console()
    told = facts()
    told.add_row("Customer", f"{contract.customer_name} ({contract.account_id})")
    told.add_row("Lasts", f"from {contract.starts_on} until before {contract.ends_on}")
    told.add_row("A year", f"{_yearly(contract)}, net of tax")
    told.add_row("At its end", _terms(contract.renewal))
    told.add_row("Next milestone", _milestone(contract) or "none")
    told.add_row("Revision", str(contract.revision))
    out.print(Text.assemble((f"{contract.id}  ", "bold"), status(contract.status)))
    out.print(told)
    section(out, "Lines", _lines(contract))
    section(out, "What has happened", _history(history))


def _lines(contract: Contract) -> Any:
    printed = table(
        "Product", "Quantity", "Each", "A year", "From", "Until before",
        right=["Quantity", "Each", "A year"],
    )  # fmt: skip
    for line in contract.lines:
        printed.add_row(
            line.sku,
            str(line.quantity),
            str(line.unit_price),
            str(line.amount),
            line.starts_on.isoformat(),
            line.ends_on.isoformat(),
        )
    return printed


def _history(history: list[Event]) -> Any:
    if not history:
        return "Nothing was told of it yet."
    printed = table("When (UTC)", "Event", "What", whole=["When (UTC)", "Event"])
    for event in history:
        printed.add_row(moment(event.occurred_at), event.type, summary(event))
    return printed


def _content(contract: Contract) -> dict[str, Any]:
    next_ = _next(contract)
    return {
        "contract": contract,
        "yearly": _yearly(contract),
        "next_milestone": next_ and {"days": next_[0], "at": next_[1]},
    }


def _yearly(contract: Contract) -> Money:
    """Of today, or of the day of its term that is nearest."""
    last = contract.ends_on - timedelta(days=1)
    return contract.yearly_on(max(contract.starts_on, min(_today(), last)))


def _next(contract: Contract) -> tuple[int, datetime] | None:
    ahead = ((days, at) for days, at in milestones(contract) if at.date() >= _today())
    return next(ahead, None) if contract.status is ContractStatus.ACTIVE else None


def _milestone(contract: Contract) -> str:
    found = _next(contract)
    return f"{found[1]:%Y-%m-%d}, {found[0]} days before" if found else ""


def _terms(terms: RenewalTerms) -> str:
    goes_on = (
        f"goes on by itself for {terms.renewal_months} months" if terms.auto_renews else "ends"
    )
    rise = f"prices rise by {terms.index or f'{terms.uplift or 0} %'}"
    cap = f", by {terms.uplift_cap} % at most" if terms.uplift_cap is not None else ""
    return f"{goes_on}; notice of {terms.notice_days} days; {rise}{cap}"


def _today() -> date:
    return datetime.now(UTC).date()
