"""`interlock demo-billing`: a quarter of a small company, and the ERP's books beside Stripe's."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import click
from interlock.canonical.dunning import DunningFlag, DunningStatus
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.cli.errors import Failure
from local.cli.output import console, duration, facts, section, table
from local.cli.progress import Progress
from local.cli.starting import environment
from local.quarter.delivery import Disorder
from local.quarter.figures import Comparison
from local.quarter.outcome import Books, Outcome, differing
from local.quarter.plan import Quarter, draw
from local.quarter.run import Company, Flagged

CUSTOMERS = 20


@click.command("demo-billing")
@click.option("--seed", type=int, default=1, show_default=True, help="What the quarter is like.")
@click.option("--customers", type=click.IntRange(3), default=CUSTOMERS, show_default=True)
def demo_billing(seed: int, customers: int) -> None:
    """Show subscription billing over a quarter, on this machine.

    Wins the deals of a small company in three currencies, and lives through thirteen weeks in
    virtual time: subscriptions are invoiced and paid, upgraded and credited, a card fails, a
    payment is refunded, a dispute is lost, payouts reach the bank. Then the trial balance that
    Tryton has is held against what the Stripe sandbox comes to. The same quarter once more with its
    events shuffled, doubled and some lost must end with the same books. Exit code 1 if anything
    differs.
    """
    began = time.monotonic()
    out = console()
    quarter = draw(seed, customers, datetime.now(UTC).date())
    _introduce(out, quarter)
    in_order, flags = _live(out, quarter)
    for books in in_order.books:
        title = f"{books.company}, {books.currency}, on {quarter.days[-1]}"
        section(out, title, _trial_balance(books.comparisons))
    section(out, "Revenue by the month it is recognised in, in Tryton", _revenue(in_order.books))
    section(out, "What sales and support saw of overdue customers", _flags(flags))
    section(out, "What there was", _counts(in_order))
    out.print("\nThe same quarter, its events shuffled, doubled and some lost\n", style="bold")
    disorder = Disorder(seed)
    disordered, _ = _live(out, quarter, disorder)
    section(out, "What there was", _counts(disordered, disorder))
    problems = [
        *in_order.problems,
        *disordered.problems,
        *differing(in_order.books, disordered.books),
    ]
    out.print()
    for problem in problems:
        out.print(f"✗ {problem}", style="red")
    if not problems:
        out.print(
            "✓ Both times the books are the billing system's, by account and by customer, to the"
            " minor unit; and they are the same, by account and month.",
            style="bold green",
        )
    out.print(f"Everything in {duration(time.monotonic() - began)}.", style="dim")
    if problems:
        raise Failure(f"what is wrong, see above: {len(problems)}")


def _introduce(out: Console, quarter: Quarter) -> None:
    companies = {buyer.deal.subsidiary: buyer.deal.currency for buyer in quarter.buyers}
    told = facts()
    told.add_row("quarter", f"{quarter.days[0]} to {quarter.days[-1]}, in virtual time")
    told.add_row("customers", f"{len(quarter.buyers)}, each from a deal won in Salesforce")
    happens = Counter(happening.what for happening in quarter.happenings)
    told.add_row("what happens", ", ".join(f"{what} {n}" for what, n in happens.most_common()))
    told.add_row("companies", ", ".join(f"{name} in {companies[name]}" for name in companies))
    section(out, "A quarter of a small company", told)
    out.print()


def _live(
    out: Console, quarter: Quarter, disorder: Disorder | None = None
) -> tuple[Outcome, list[Flagged]]:
    """A quarter in an environment of its own. Raises Failure where it gets stuck."""
    with environment(out, virtual_time=True) as local:
        out.print("\nThe quarter", style="bold")
        company, progress = Company(local, quarter, disorder), Progress(out)

        def tell(step: str) -> None:
            progress.finish()
            progress.begin(step)

        try:
            company.run(tell)
            tell("reading the books")
            outcome = Outcome.read(local, quarter)
            progress.finish()
        except TimeoutError as error:
            raise Failure(f"what happened on a day has no end: {error}") from error
        finally:
            progress.stop()
    return outcome, company.flags


def _trial_balance(comparisons: list[Comparison]) -> Table:
    """Debits less credits. What is compared for several accounts stands beside the last of them."""
    figures = ("Tryton", "Stripe", "Differs")
    printed = table("Account", *figures, "At Stripe", right=figures, whole=figures)
    for compared in comparisons:
        if not compared.accounts and not compared.expected:
            continue
        told = [_amount(compared.expected), _difference(compared.difference), compared.basis]
        if not compared.accounts:
            printed.add_row("(no account)", "", *told)
        for number, account in enumerate(compared.accounts, start=1):
            is_last = number == len(compared.accounts)
            row = (f"{account.code} {account.name}", _amount(account.amount))
            printed.add_row(*row, *(told if is_last else ()))
    total = sum((compared.booked for compared in comparisons), Decimal(0))
    printed.add_row(Text("all accounts", "dim"), Text(_amount(total), "dim"))
    return printed


def _revenue(books: list[Books]) -> Table:
    currencies = [each.currency for each in books]
    printed = table("Month", *currencies, right=currencies)
    recognised = [each.of_role("revenue") for each in books]
    for month in sorted({month for months in recognised for month in months}):
        amounts = [-months.get(month, Decimal(0)) for months in recognised]
        printed.add_row(f"{month:%Y-%m}", *map(_amount, amounts))
    # What lies beyond the fiscal years that Tryton has.
    later = [-sum(each.of_role("deferred revenue").values(), Decimal(0)) for each in books]
    printed.add_row("later", *map(_amount, later))
    return printed


def _flags(flags: list[Flagged]) -> Table:
    printed = table("Day", "Customer", "Salesforce", "Zendesk", whole=["Day"])
    for seen in flags:
        printed.add_row(str(seen.day), seen.customer, _flag(seen.crm), _flag(seen.support))
    return printed


def _flag(flag: DunningFlag | None) -> str:
    if flag is None or flag.status is DunningStatus.NONE:
        return "no flag"
    return f"{flag.status}: {flag.overdue} since {flag.since}"


def _counts(outcome: Outcome, disorder: Disorder | None = None) -> Table:
    told = facts()
    told.add_row("at Stripe", ", ".join(f"{what} {n}" for what, n in outcome.documents.items()))
    owing = sum(len(books.owed) for books in outcome.books)
    told.add_row("customers", f"{owing} owe something, or have credit")
    told.add_row("runs", ", ".join(f"{what} {n}" for what, n in outcome.runs.items()))
    if disorder:
        lost = f"{disorder.lost} lost, and found by the sweep"
        told.add_row("events", f"{disorder.delivered} delivered in disorder, {lost}")
    told.add_row("problems", str(len(outcome.problems)))
    return told


def _amount(amount: Decimal) -> str:
    return f"{amount:,f}"


def _difference(amount: Decimal) -> Text:
    return Text(_amount(amount), "bold red" if amount else "green")
