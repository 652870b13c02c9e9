"""`interlock demo-credit`: seven customers' credits, from a support case to the books."""

from __future__ import annotations

import time

import click
from interlock.canonical import Money
from rich.console import Console
from rich.table import Table

from local.cli.audit import audits_of, show
from local.cli.errors import Failure
from local.cli.output import console, duration, section, table
from local.cli.progress import Progress
from local.cli.starting import environment
from local.cli.target import Target
from local.cloud.names import REGION
from local.credits.company import DAY_OF_REQUESTS, Company, Customer
from local.credits.outcome import Outcome
from local.credits.scene import Scene
from local.credits.stories import STORIES, Story
from local.environment import STACK
from local.settling import settle

PAY_DAY = 5


@click.command("demo-credit")
def demo_credit() -> None:
    """Show how a support case becomes an approved, capped, audited credit, on this machine.

    Seven customers buy, and are served for half a month in virtual time. Then agents ask for
    credits in Zendesk: a small one is approved by policy, a large one waits, is escalated and
    approved by another person, one is rejected, one is over the cap, one case is edited after it
    was sent for approval, one is asked for twice, and for one the ERP is down. What came of each is
    read back from every system, with its audit. Exit code 1 if anything is missing or wrong.
    """
    began = time.monotonic()
    out = console()
    problems = []
    with environment(out, virtual_time=True) as local:
        target = Target.local(STACK, REGION, local.cloud.url)
        company = Company(local)
        customers = _serve(Progress(out), company)
        for number, (story, customer) in enumerate(zip(STORIES, customers, strict=True), 1):
            out.print(f"\n{number}. {story.title}", style="bold")
            problems += _live(out, company, target, story, customer)
    out.print(f"\nEverything in {duration(time.monotonic() - began)}.", style="dim")
    for problem in problems:
        out.print(f"✗ {problem}", style="red")
    if problems:
        raise Failure(f"missing or wrong, see above: {len(problems)}")
    out.print("✓ Each credit is what its terms come to, once, in every system.", style="bold green")


def _serve(progress: Progress, company: Company) -> list[Customer]:
    """The customers, in the middle of the first month of their service."""
    progress.begin(f"{len(STORIES)} deals are won")
    customers = [
        company.sell(story.deal, story.seats, suffix=f"{number}")
        for number, story in enumerate(STORIES, 1)
    ]
    settle(company.environment.cloud)
    progress.finish()
    progress.begin(f"they are served, from {company.month} on, and pay")
    company.live_until(PAY_DAY)
    for story, customer in zip(STORIES, customers, strict=True):
        if story.paid:
            company.pay(customer)
    company.live_until(DAY_OF_REQUESTS)
    progress.finish()
    return customers


def _live(
    out: Console, company: Company, target: Target, story: Story, customer: Customer
) -> list[str]:
    """Let a story happen, and tell what came of it; returns every problem."""

    def tell_line(line: str) -> None:
        at = company.environment.cloud.clock.utc()
        out.print(f"  {at:%Y-%m-%d %H:%M}  {line}", soft_wrap=True)

    tell_line(f"{customer.name}: {story.seats} seats, {_fee(company, customer)} this month")
    scene = Scene(company, target, customer, tell_line)
    try:
        story.happens(scene)
    except Failure as failure:
        return [f"{story.title}: {failure.message}"]
    outcome = Outcome(company, target, customer, tuple(scene.cases))
    section(out, "What came of it, read back from each system", _records(outcome))
    out.print("\nIts audit", style="bold")
    for number in outcome.cases:
        for audited in audits_of(target, f"zendesk:{number}"):
            show(out, audited)
    return [f"{story.title}: {problem}" for problem in outcome.problems(story)]


def _fee(company: Company, customer: Customer) -> Money:
    return Money.rounded(company.monthly_fee(customer), customer.currency)


def _records(outcome: Outcome) -> Table:
    printed = table("System", "Record", "What it says", whole=["System", "Record"])
    for number, told in outcome.told.items():
        amount = f", {told.amount}" if told and told.amount else ""
        said = f"{told.status}{amount}" if told else "nothing"
        printed.add_row("Zendesk", f"case {number}", said)
    for note, memo in zip(outcome.credit_notes, outcome.credit_memos, strict=True):
        printed.add_row("Stripe", note["number"], _note(outcome, note))
        said = f"net {memo.net}, tax {memo.tax}, total {memo.total}" if memo else "not there"
        printed.add_row("Tryton", (memo and memo.number) or "credit memo", said)
    if outcome.notice:
        said = f"case {outcome.notice.case_number}: {outcome.notice.amount}"
        printed.add_row("Salesforce", "account", said)
    return printed


def _note(outcome: Outcome, note: dict) -> str:
    def money(units: int) -> Money:
        return Money.from_minor_units(units, outcome.customer.currency)

    refunded = sum(each["amount_refunded"] for each in note["refunds"])
    to_balance = note["post_payment_amount"] - refunded
    ways = {
        "off what is due": note["pre_payment_amount"],
        "to the balance": to_balance,
        "refunded": refunded,
    }
    told = ", ".join(f"{money(units)} {way}" for way, units in ways.items() if units)
    return f"net {money(note['subtotal'])}, total {money(note['total'])}: {told}"
