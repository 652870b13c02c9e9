"""Chaos: transactions whose faults, happenings and team are drawn from a seed.

A seed stands for one deal, or a few that belong together: what becomes of its calls, what happens
to it midway or around it, and what a team decides when it waits. Many are played side by side, and
at the end the systems are asked what they hold. The same seed takes the same way, alone or among
others.

    make chaos SEEDS=200
    make chaos SEED=137
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import click

from local.faults.campaign import Campaign, Outcome
from local.faults.happenings import KINDS
from local.faults.harness import Harness

ENOUGH = 200
"""So many seeds meet every kind of fault and of happening."""

FAULTS = (
    *(
        f"{system} {kind}"
        for system in ("vendor", "AWS")
        for kind in ("crash_before", "crash_after")
    ),
    *("vendor timeout", "vendor timeout_after", "vendor lose", "AWS lose", "AWS timeout"),
    *("vendor 429", "vendor 429 with Retry-After", "vendor 503", "vendor 503 after the write"),
    "vendor stale",
)


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=ENOUGH, show_default=True)
@click.option("--seed", type=int, help="One alone, with its trace.")
def main(seeds: int, seed: int | None) -> None:
    """Play transactions whose faults and happenings are drawn from seeds."""
    began = time.monotonic()
    with Harness(lambda step: click.echo(f"  {step}")) as harness:
        campaign = Campaign(harness, lambda text: click.echo(f"  {text}"))
        chosen = range(1, seeds + 1) if seed is None else [seed]
        outcomes = []
        for outcome in campaign.play(chosen):
            outcomes.append(outcome)
            for what in outcome.violations:
                click.echo(f"VIOLATION seed {outcome.scenario.seed}: {what}")
    if seed is not None:
        _tell(outcomes[0])
    missing = _summarise(outcomes, time.monotonic() - began) if seed is None else []
    broken = [outcome for outcome in outcomes if outcome.violations]
    for outcome in broken:
        click.echo(f"{outcome.scenario}\n  make chaos SEED={outcome.scenario.seed}")
    if len(outcomes) >= ENOUGH:
        for kind in missing:
            click.echo(f"NEVER MET: {kind}")
    click.echo(f"seeds: {len(outcomes) - len(broken)} passed, {len(broken)} failed")
    sys.exit(bool(broken or (missing and len(outcomes) >= ENOUGH)))


def _tell(outcome: Outcome) -> None:
    """One seed for a person."""
    click.echo(str(outcome.scenario))
    for line in outcome.trace:
        click.echo(f"  {line}")
    click.echo(f"ended: {outcome.ending}")


def _summarise(outcomes: list[Outcome], seconds: float) -> list[str]:
    """What was met, and how all ended; the kinds that were never met."""
    faults = sum((outcome.faults for outcome in outcomes), Counter())
    happenings = Counter(o.scenario.happening.kind for o in outcomes if o.happened)
    endings = Counter(outcome.ending for outcome in outcomes)
    click.echo(f"{len(outcomes)} seeds in {seconds:.0f} s")
    for title, counts in (("faults", faults), ("happenings", happenings), ("endings", endings)):
        click.echo(f"{counts.total()} {title}:")
        for what, number in counts.most_common():
            click.echo(f"  {number:4} {what}")
    wanted = [*FAULTS, *(kind.kind for kind in KINDS)]
    return [what for what in wanted if what not in faults and what not in happenings]


if __name__ == "__main__":
    main()
