"""`interlock sweep`: look for won deals without an order now, and not when the schedule says."""

from __future__ import annotations

import click
from interlock.rules.sweep import Finding, Report, Verdict

from local.cli.functions import result
from local.cli.output import console, json_option, moment, print_json, table
from local.cli.target import Target, pass_target

DONE = {
    Verdict.TELL: "told of",
    Verdict.LEAVE: "left alone",
    Verdict.GIVE_UP: "given up",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be told of, and tell nothing.")
@json_option
@pass_target
def sweep(target: Target, dry_run: bool, as_json: bool) -> None:
    """Look for deals that are won and have no order, and tell of those that no event told of.

    What is told of goes the way of every event; what a run is at work on, or a team waits with or
    has given up, is left alone. What is given up had runs that all ended without an order: see why,
    then let the deal be won again.
    """
    answer = result(target, "SweepOpportunitiesFunction", {"dry_run": dry_run})
    if as_json:
        print_json(answer)
        return
    report = Report.model_validate(answer)
    out = console()
    if not report.findings:
        out.print("Every deal that was won has its order, or was won just now.")
    else:
        _list(report.findings, dry_run=dry_run)
    if report.left:
        out.print(f"\n{report.left} more deals were not looked at: the next sweep draws again.")


def _list(findings: tuple[Finding, ...], *, dry_run: bool) -> None:
    printed = table("Deal", "Won (UTC)", "Is", "Why", whole=["Deal", "Won (UTC)", "Is"])
    for finding in findings:
        would = "to be " if dry_run and finding.verdict is Verdict.TELL else ""
        printed.add_row(
            finding.deal.id,
            moment(finding.deal.won_at),
            would + DONE[finding.verdict],
            finding.reason,
        )
    console().print(printed)
