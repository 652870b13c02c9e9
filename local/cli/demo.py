"""`interlock demo`: lead to order from end to end on this machine, checked in every system."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from interlock.canonical import Money
from interlock.events import Event
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from local.cli import history, transaction
from local.cli.errors import Failure
from local.cli.history import RUNNING, Visit
from local.cli.output import console, duration, facts, section, table
from local.cli.progress import Progress
from local.cli.readback import Found, ReadBack
from local.cli.runs import describe, timeline_table
from local.cli.starting import environment
from local.cli.systems import Systems
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK, LocalEnvironment
from local.sandboxes.salesforce_seed import EUR_DEAL, JPY_DEAL, USD_DEAL, DealSample, close_won

DEALS = {"usd": USD_DEAL, "eur": EUR_DEAL, "jpy": JPY_DEAL}
POLL_SECONDS = 0.2
EVENT_SECONDS = 30.0
RUN_SECONDS = 180.0
TIMELINE_SECONDS = 15.0

T = TypeVar("T")


@click.command()
@click.option("--deal", type=click.Choice([*DEALS, "all"]), default="usd", show_default=True)
def demo(deal: str) -> None:
    """Show lead to order from end to end, on this machine.

    Starts the local cloud from template.yaml, a real ERP and the sandboxes of Salesforce, Stripe
    and Zendesk; closes a deal as won in Salesforce; follows its event and the run; then reads back
    from every system what was made there. Exit code 1 if anything is missing or wrong.
    """
    began = time.monotonic()
    out = console()
    with environment(out) as local:
        target = Target.local(STACK, REGION, local.cloud.url)
        deals = DEALS.values() if deal == "all" else [DEALS[deal]]
        problems = [problem for each in deals for problem in show(out, local, target, each)]
    out.print(f"Everything in {duration(time.monotonic() - began)}.", style="dim")
    if problems:
        raise Failure(f"missing or wrong, see above: {len(problems)}")


def show(out: Console, local: LocalEnvironment, target: Target, deal: DealSample) -> list[str]:
    """Win one deal, and tell what comes of it; returns every problem."""
    _introduce(out, deal)
    progress = Progress(out)
    try:
        run = _event_arrives(out, progress, local, target, deal)
        visits = _run(out, progress, target, run)
        progress.begin("reading back from every system")
        read_back = ReadBack(Systems.of(target), deal, run["name"])
        read_back.read()
        events = _timeline(target, run["name"])
        read_back.check_timeline(events)
    except Failure as failure:
        progress.stop()
        _conclude(out, [failure.message])
        return [failure.message]
    finally:
        progress.stop()
    section(
        out, "What came of it, read back from each system", _records_table(visits, read_back.found)
    )
    section(out, "Business timeline", timeline_table(events))
    _conclude(out, read_back.problems, len(read_back.found))
    return read_back.problems


def _introduce(out: Console, deal: DealSample) -> None:
    columns = ["Product", "Quantity", "Price", "Amount"]
    lines = table(*columns, right=columns[1:])
    for line in deal.lines:
        price = Money.of(line.unit_price, deal.currency)
        lines.add_row(line.product, str(line.quantity), str(price), str(price.times(line.quantity)))
    customer, *parents = [account.name for account in deal.accounts]
    told = facts()
    told.add_row("customer", f"{customer}, not yet in the ERP")
    for parent in parents:
        told.add_row("its parent", f"{parent}, not yet in the ERP")
    told.add_row("sold by", f"{deal.subsidiary} on {deal.payment_terms}, {deal.term_months} months")
    section(out, f"The deal: {deal.name}", Group(told, "", lines))


def _event_arrives(
    out: Console, progress: Progress, local: LocalEnvironment, target: Target, deal: DealSample
) -> dict[str, Any]:
    """Close the deal, and follow its event until it has started a run."""
    out.print("\nThe event", style="bold")
    began = time.monotonic()

    def since() -> float:
        return time.monotonic() - began

    close_won(local.organization, deal.record_id)
    progress.line("won in Salesforce: OpportunityChangeEvent on the partner bus", since())
    progress.begin("from the partner bus through the inbox")
    _wait_for(lambda: _published(target, deal), "its event never passed the inbox")
    progress.line("received: opportunity.closed_won on the integration bus", since())
    progress.begin("from the integration bus through the start queue")
    run = _wait_for(lambda: _execution(target, deal), "its event never started a run")
    progress.line(f"started: run {run['name']}", since())
    return run


def _run(out: Console, progress: Progress, target: Target, run: dict[str, Any]) -> list[Visit]:
    """Tell each state as it ends. Raises Failure when the run does not succeed."""
    out.print("\nThe run, state by state", style="bold")
    states = target.client("stepfunctions")
    end = time.monotonic() + RUN_SECONDS
    told = 0
    while True:
        status = states.describe_execution(executionArn=run["executionArn"])["status"]
        visits = history.read(states, run["executionArn"])
        for visit in visits[told:]:
            if visit.exited:
                _tell(progress, visit)
                told += 1
        if status != RUNNING:
            break
        current = visits[-1] if visits else None
        if current and current.status == "WAITING":
            raise Failure(_waits_for_a_team(target, run["name"]))
        if time.monotonic() > end:
            raise Failure(f"still in {current and current.state} after {RUN_SECONDS:.0f} s")
        if current and current.status == RUNNING:
            progress.begin(_name(current))
        time.sleep(POLL_SECONDS)
    if status != "SUCCEEDED":
        raise Failure(f"the run ended as {status}")
    return visits


def _tell(progress: Progress, visit: Visit) -> None:
    failed = visit.error.name if visit.error else None
    progress.line(_name(visit), visit.seconds(datetime.now(UTC)), failed=failed)


def _name(visit: Visit) -> str:
    items = f" ({visit.done} of {visit.items})" if visit.items is not None else ""
    return f"{visit.state}{items}"


def _waits_for_a_team(target: Target, run: str) -> str:
    """The exception that was raised, once it is there."""
    exception = _wait_for(
        lambda: describe(target, run)["exception"], "the run waits, and raised no exception"
    )
    what = f"{exception.error}: {exception.message}"
    return f"{exception.step} waits for {exception.team}: {what}"


def _published(target: Target, deal: DealSample) -> str | None:
    """The id of the canonical event that the ingress function published for the deal."""
    found = target.dynamodb.scan(TableName=target.id("DeliveriesTable"))["Items"]
    published = [e for row in found if "data" in row for e in json.loads(row["data"])["published"]]
    return next((event for event in published if event.endswith(deal.record_id)), None)


def _execution(target: Target, deal: DealSample) -> dict[str, Any] | None:
    """A run is named after the deal and the moment it was won."""
    found = target.client("stepfunctions").list_executions(stateMachineArn=target.id("LeadToOrder"))
    ours = (each for each in found["executions"] if each["name"].startswith(deal.record_id))
    return next(ours, None)


def _timeline(target: Target, run: str) -> tuple[Event, ...]:
    """The business timeline, which has a queue of its own: it may come after the run's end."""
    end = time.monotonic() + TIMELINE_SECONDS
    while True:
        events = transaction.timeline(target, run)
        if any(event.type == "order.accepted" for event in events) or time.monotonic() > end:
            return events
        time.sleep(POLL_SECONDS)


def _wait_for(look: Callable[[], T | None], otherwise: str) -> T:
    """What is there in the end. Raises Failure when it does not come."""
    end = time.monotonic() + EVENT_SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(POLL_SECONDS)
    raise Failure(f"{otherwise}, in {EVENT_SECONDS:.0f} s")


def _records_table(visits: list[Visit], found: list[Found]) -> Table:
    """Each step of the run with the records that were found for it."""
    columns = ["Step", "Took", "System", "Record", "Its number there"]
    printed = table(*columns, right=["Took"], whole=[*columns[:3], columns[4]])
    for state, run in history.by_state(visits).items():
        if run.last.kind not in ("Task", "Map"):
            continue
        took = duration(run.seconds(datetime.now(UTC)))
        records = [each for each in found if each.step == state]
        if not records:
            printed.add_row(Text(state, "dim"), Text(took, "dim"))
        for number, each in enumerate(records):
            step = (state, took) if number == 0 else ("", "")
            printed.add_row(*step, each.system, each.record, each.number)
            if each.amounts:
                printed.add_row("", "", "", _amounts(each.amounts))
    return printed


def _amounts(amounts: dict[str, Money]) -> Table:
    printed = Table.grid(padding=(0, 1, 0, 0))
    printed.add_column(style="dim")
    printed.add_column(justify="right", style="cyan")
    for name, amount in amounts.items():
        printed.add_row(name, str(amount))
    return printed


def _conclude(out: Console, problems: list[str], count: int = 0) -> None:
    out.print()
    for problem in problems:
        out.print(f"✗ {problem}", style="red")
    if not problems:
        out.print(f"✓ All {count} records are there, once, as agreed.", style="bold green")
