"""`interlock reconcile`: what billing and the books have, and where they differ."""

from __future__ import annotations

import calendar
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

import click
from interlock.canonical import Money
from interlock.remediation import BusinessException
from interlock.rules.reconciliation import Break, Report
from rich.text import Text

from local.cli import executions, history
from local.cli.errors import Failure
from local.cli.exceptions import resolve_hint
from local.cli.functions import result
from local.cli.output import console, json_option, print_json, section, table
from local.cli.progress import Progress
from local.cli.runs import describe
from local.cli.target import Target, pass_target

MACHINE = "BillingReconciliation"
STEP = "AssertAgreement"
POLL_SECONDS = 0.5
START_SECONDS = 60
DAY = click.DateTime(["%Y-%m-%d"])


@dataclass(frozen=True)
class Outcome:
    """How a run ended, or what it waits with. `accepted` says who accepted the difference."""

    run: str
    report: Report
    accepted: dict[str, Any] | None = None
    exception: BusinessException | None = None


@click.command()
@click.option("--period", metavar="2026-11", help="A month.")
@click.option("--from", "first_day", type=DAY, metavar="2026-11-03", help="The first day.")
@click.option("--to", "last_day", type=DAY, metavar="2026-11-05", help="The last day.")
@click.option("--latest", is_flag=True, help="Show the newest result again, and start nothing.")
@json_option
@pass_target
def reconcile(
    target: Target,
    period: str | None,
    first_day: datetime | None,
    last_day: datetime | None,
    latest: bool,
    as_json: bool,
) -> None:
    """Hold billing against the books: invoices, credit notes, payments, refunds, disputes, payouts.

    Of the month so far, or of the days given, in UTC. A day is reconciled an hour after its end,
    since what is younger may still be on its way. Nothing is written to either system. Where they
    differ, an exception waits for Finance, and the exit code is 1.
    """
    first, last = _month(period) if period else (_day(first_day), _day(last_day))
    run = _newest(target) if latest else _start(target, first, last)
    outcome = _follow(target, run)
    report = outcome.report
    if as_json:
        print_json({"run": run, "accepted": outcome.accepted, **report.model_dump(mode="json")})
    else:
        _show(outcome)
    if report.problems and not outcome.accepted:
        sys.exit(1)


def _month(period: str) -> tuple[str, str]:
    try:
        first = date.fromisoformat(f"{period}-01")
    except ValueError:
        raise click.BadParameter(f"{period!r} is no month: give one as 2026-11") from None
    _, days = calendar.monthrange(first.year, first.month)
    return first.isoformat(), first.replace(day=days).isoformat()


def _day(at: datetime | None) -> str | None:
    return at and at.date().isoformat()


def _start(target: Target, first_day: str | None, last_day: str | None) -> str:
    """The run that an event of ours starts."""
    days = {"first_day": first_day, "last_day": last_day}
    return result(target, "RequestReconciliationFunction", days)["correlation_id"]


def _newest(target: Target) -> str:
    pages = target.client("stepfunctions").get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=target.id(MACHINE)):
        for execution in page["executions"]:
            if not executions.is_dry_run(execution["name"]):
                return execution["name"]
    raise Failure("nothing was reconciled yet: start with `interlock reconcile`")


def _follow(target: Target, run: str) -> Outcome:
    """What a run comes to. Raises Failure when that is no report."""
    progress = Progress(console(stderr=True))
    end = time.monotonic() + START_SECONDS
    try:
        while True:
            execution = executions.describe(target, target.id(MACHINE), run)
            if execution is None and time.monotonic() > end:
                raise Failure(f"the run {run} was not started: see `interlock dead-letters`")
            if execution and (outcome := _outcome(target, run, execution, progress)):
                return outcome
            time.sleep(POLL_SECONDS)
    finally:
        progress.stop()


def _outcome(
    target: Target, run: str, execution: dict[str, Any], progress: Progress
) -> Outcome | None:
    """None while the run is at work, and as long as an exception is not raised yet."""
    if execution["status"] in executions.OPEN:
        visits = history.read(target.client("stepfunctions"), execution["executionArn"])
        if visits and visits[-1].status == "WAITING":
            return _waiting(run, describe(target, run)["exception"])
        progress.begin(f"reconciling: {visits[-1].state if visits else run}")
        return None
    found = describe(target, run)
    if not found["output"] or "report" not in found["output"]:
        raise Failure(f"the run {run} ended as {found['status']}: see `interlock runs {run}`")
    report = Report.model_validate(found["output"]["report"])
    return Outcome(run, report, accepted=found["output"]["accepted"])


def _waiting(run: str, exception: BusinessException | None) -> Outcome | None:
    if exception is None:
        return None
    if exception.step != STEP:
        raise Failure(
            f"{exception.step} waits for {exception.team}: {exception.message};"
            f" {resolve_hint(exception)}"
        )
    report = Report.model_validate(exception.records["report"])
    return Outcome(run, report, exception=exception)


def _show(outcome: Outcome) -> None:
    out, report = console(), outcome.report
    out.print(f"Billing against the books, {report.first_day} to {report.last_day}", style="bold")
    if report.rows:
        out.print(_figures(report))
    else:
        out.print("Neither has a document of these days.")
    for difference, group in groupby(
        sorted(report.breaks, key=lambda one: one.difference), key=lambda one: one.difference
    ):
        breaks = list(group)
        section(out, f"{difference}: {breaks[0].advice}", _documents(breaks))
    if report.elsewhere:
        section(out, "Equal, but of another period in the books", _documents(report.elsewhere))
    if report.untold:
        out.print(f"\n{report.problems[-1]}.")
    _conclude(outcome)


def _conclude(outcome: Outcome) -> None:
    out, problems = console(), outcome.report.problems
    if not problems:
        out.print(Text("\nThe books follow billing.", "green"))
    elif outcome.accepted:
        by, reason = outcome.accepted["by"], outcome.accepted["reason"]
        out.print(f"\nThe difference was accepted by {by}: {reason}")
    elif outcome.exception:
        out.print(Text(f"\n{outcome.exception.team} decides:", "yellow"))
        out.print(f"  {resolve_hint(outcome.exception)}", soft_wrap=True)


def _figures(report: Report) -> Any:
    numbers = ["Billing", "Billing total", "Books", "Books total", "Difference"]
    printed = table("Kind", "Currency", *numbers, right=numbers, whole=["Kind", *numbers])
    for row in report.rows:
        differs = row.difference.amount or row.billing.count != row.books.count
        printed.add_row(
            row.kind.replace("_", " "),
            row.currency,
            f"{row.billing.count:,}",
            f"{row.billing.total.amount:,}",
            f"{row.books.count:,}",
            f"{row.books.total.amount:,}",
            Text(f"{row.difference.amount:,}", "red" if differs else ""),
        )
    return printed


def _documents(breaks: list[Break] | tuple[Break, ...]) -> Any:
    columns = ["Document and customer", "Day", "Billing", "In the books", "Books"]
    printed = table(*columns, right=["Billing", "Books"], whole=["Day", "In the books"])
    for one in breaks:
        printed.add_row(
            "\n".join(filter(None, [one.id, one.customer_id])),
            _said(one.billing_day),
            _said(one.billing),
            _said(one.books_day),
            _said(one.books),
        )
    return printed


def _said(what: Money | date | None) -> str:
    return "none" if what is None else str(what)
