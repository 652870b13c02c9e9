"""`interlock sweep`: look now for what nobody told of, and not when the schedule says."""

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
@click.argument("what", type=click.Choice(("deals", "contracts")), default="deals")
@click.option("--dry-run", is_flag=True, help="Say what would be told of, and tell nothing.")
@json_option
@pass_target
def sweep(target: Target, what: str, dry_run: bool, as_json: bool) -> None:
    """Look for deals that are won and have no order, or for contracts whose renewal is due, and
    tell of those that no event told of.

    What is told of goes the way of every event; a deal that a run is at work on, or a team waits
    with or has given up, is left alone. What is given up had runs that all ended without an order:
    see why, then let the deal be won again.
    """
    function = {"deals": "SweepOpportunitiesFunction", "contracts": "SweepContractsFunction"}[what]
    answer = result(target, function, {"dry_run": dry_run})
    if as_json:
        print_json(answer)
    elif what == "deals":
        _print_deals(Report.model_validate(answer), dry_run=dry_run)
    else:
        _print_contracts(answer["told"], answer["past_end"], dry_run=dry_run)


def _print_deals(report: Report, *, dry_run: bool) -> None:
    out = console()
    if not report.findings:
        out.print("Every deal that was won has its order, or was won just now.")
    else:
        _list(report.findings, dry_run=dry_run)
    if report.left:
        out.print(f"\n{report.left} more deals were not looked at: the next sweep draws again.")


def _print_contracts(told: list[str], past_end: list[str], *, dry_run: bool) -> None:
    out = console()
    for event in told:
        out.print(f"{'To be told' if dry_run else 'Told'}, as no event told of it: {event}")
    for contract in past_end:
        out.print(f"Past its end, and nobody has decided about it: {contract}")
    if not told and not past_end:
        out.print("Whatever is due by contracts was told of.")


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
