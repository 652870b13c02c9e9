"""Tell of what is due by contracts, and nothing told of: a sweep, every day."""

from datetime import UTC, datetime

from interlock import events
from interlock.canonical import Canonical
from interlock.contracts import Contracts
from interlock.handler import logger, metrics, operation
from interlock.rules.contract_sweep import GRACE, is_past_end, untold
from interlock.rules.service_sweep import changed_on
from interlock.schedules import milestone_event
from interlock.timeline import Timeline


class SweepContracts(Canonical):
    """It looks at every contract; a dry run finds the same, and tells nothing."""

    dry_run: bool = False


class Swept(Canonical):
    """The events that it told, and the contracts past an end about which nobody has decided."""

    told: tuple[str, ...]
    past_end: tuple[str, ...]


@operation
def handler(command: SweepContracts) -> Swept:
    """Publish what a schedule would have, and what comes into force: told again, it is the same."""
    timeline, now, found, past_end = Timeline.load(), datetime.now(UTC), {}, []
    for contract in Contracts.load().served():
        if days := untold(contract, (now - GRACE).date(), timeline.of_subject):
            found[contract.id] = milestone_event(contract, days)
        for day in changed_on(contract, now.date()):
            found[contract.account_id, day] = events.service_due(contract.account_id, day)
        if is_past_end(contract, now.date()):
            past_end.append(contract.id)
    if found and not command.dry_run:
        events.publish(*found.values())
    metrics.add_metric(name="ContractsPastEnd", unit="Count", value=len(past_end))
    told = tuple(event.id for event in found.values())
    logger.info("swept", extra={"told": told, "past_end": past_end})
    return Swept(told=told, past_end=tuple(past_end))
