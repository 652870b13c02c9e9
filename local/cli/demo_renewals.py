"""`interlock demo-renewals`: a year of fifty contracts, and what their revenue comes to."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

import click
from interlock.canonical import Money
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from local.cli.errors import Failure
from local.cli.output import console, duration, facts, section, table
from local.cli.progress import Progress
from local.cli.starting import environment
from local.renewals.company import Company
from local.renewals.outcome import Outcome, Told
from local.renewals.portfolio import Portfolio, draw
from local.renewals.records import in_full, in_short, records
from local.renewals.revenue import MOVED, Revenue

CONTRACTS = 50


@click.command("demo-renewals")
@click.option("--seed", type=int, default=1, show_default=True, help="What the year is like.")
@click.option("--contracts", type=click.IntRange(1), default=CONTRACTS, show_default=True)
def demo_renewals(seed: int, contracts: int) -> None:
    """Show how contracts are renewed over a year, on this machine.

    Contracts in three currencies are signed, and a year goes by in virtual time. Schedules begin
    each renewal 120 days before the end; sales, customers and support act: most are won as quoted,
    others with more or fewer seats, a discount, an upsell on the way, early, merged, lost, lost and
    won again, or by nobody's doing; a schedule is lost, a customer does not pay, a system is down.
    It prints what happened to each and what all four systems have of it, and the yearly recurring
    revenue: what it was, what moved, and what it is, held against the billing system. Exit code 1
    if anything is missing or differs.
    """
    began = time.monotonic()
    out = console()
    portfolio = draw(seed, contracts, datetime.now(UTC).date())
    _introduce(out, portfolio)
    with environment(out, virtual_time=True) as local:
        company = _live(out, Company(local, portfolio))
        outcome = Outcome(company)
        _tell(out, outcome)
        section(out, "Yearly recurring revenue, net of tax", _revenue(outcome, portfolio))
        problems = list(outcome.problems())
    out.print()
    for problem in problems:
        out.print(f"✗ {problem}", style="red", soft_wrap=True)
    out.print(f"Everything in {duration(time.monotonic() - began)}.", style="dim")
    if problems:
        raise Failure(f"what is wrong, see above: {len(problems)}")
    out.print(
        "✓ What moved is the difference, the billing system charges what the contracts say, and"
        " sales and support see what they entitle to.",
        style="bold green",
    )


def _introduce(out: Console, portfolio: Portfolio) -> None:
    told = facts()
    told.add_row("year", f"{portfolio.since} to {portfolio.until}, in virtual time")
    told.add_row("contracts", f"{len(portfolio.contracts)}, each from a deal won in Salesforce")
    stories = Counter(each.story.title for each in portfolio.contracts)
    for title, number in stories.most_common():
        told.add_row(str(number), title)
    section(out, "A year of contracts", told)
    out.print()


def _live(out: Console, company: Company) -> Company:
    """Raises Failure where it gets stuck."""
    out.print("\nThe year", style="bold")
    progress = Progress(out)

    def tell(step: str) -> None:
        progress.finish()
        progress.begin(step)

    try:
        company.run(tell)
        progress.finish()
    except TimeoutError as error:
        raise Failure(f"what happened on a day has no end: {error}") from error
    finally:
        progress.stop()
    return company


def _tell(out: Console, outcome: Outcome) -> None:
    """What happened to each contract and what the systems have of it; one of each story in full."""
    out.print(
        "\nWhat happened to each contract, and what the four systems have of it", style="bold"
    )
    stories: dict[str, tuple[str, Table]] = {}
    for told in outcome.told:
        found = records(outcome, told)
        out.print(_line(told), soft_wrap=True)
        out.print(Padding(Text(in_short(found), "dim"), (0, 0, 0, 6)))
        title, customer = told.signed.story.title, told.contract.customer_name
        if title not in stories:
            stories[title] = (customer, in_full(found))
    for title, (customer, shown) in stories.items():
        section(out, f"{title}: {customer}", shown)


def _line(told: Told) -> Text:
    happened = ", ".join(f"{at:%m-%d} {what}" for at, what in told.happened)
    amounts = f"{told.revenue.opening.amount:,f} → {told.revenue.closing}"
    return Text.assemble(
        (f"  {told.signed.number + 1:>3} ", "dim"),
        f"{told.contract.customer_name}, until {told.signed.ends_on}: {happened or 'signed'}: ",
        (amounts, "cyan"),
    )


def _revenue(outcome: Outcome, portfolio: Portfolio) -> Table:
    totals = outcome.totals
    printed = table("", *totals, right=[*totals], whole=[*totals])

    def row(name: str, figures: list[Money], style: str = "") -> None:
        printed.add_row(name, *(Text(f"{each.amount:,f}", style) for each in figures))

    row(f"on {portfolio.since}", [each.opening for each in totals.values()])
    for name in (*MOVED, "ramps"):
        row(name, [getattr(each, name) for each in totals.values()])
    row("comes to", [each.expected for each in totals.values()])
    row(f"contracts on {portfolio.until}", [each.closing for each in totals.values()])
    row("charged by Stripe", [each.billed for each in totals.values()])
    row("differs", *_differences(totals))
    return printed


def _differences(totals: dict[str, Revenue]) -> tuple[list[Money], str]:
    found = [each.billed - each.expected for each in totals.values()]
    return found, "bold red" if any(each.amount for each in found) else "green"
