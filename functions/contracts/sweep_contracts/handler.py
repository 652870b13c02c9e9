"""Tell of what is due by contracts, and nothing told of: a sweep, every day."""

from datetime import UTC, datetime

from interlock import events
from interlock.canonical import Canonical
from interlock.contracts import Contracts
from interlock.handler import logger, metrics, operation
from interlock.rules.contract_sweep import GRACE, horizon, is_past_end, untold
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
    contracts, timeline, now = Contracts.load(), Timeline.load(), datetime.now(UTC)
    settled, found = (now - GRACE).date(), {}
    for contract in contracts.ending_before(horizon(settled)):
        if days := untold(contract, settled, timeline.of_subject(contract.id)):
            found[contract.id] = milestone_event(contract, days)
    for contract in contracts.served():
        for day in changed_on(contract, now.date()):
            found[contract.account_id, day] = events.service_due(contract.account_id, day)
    if found and not command.dry_run:
        events.publish(*found.values())
    past_end = tuple(each.id for each in contracts.served() if is_past_end(each, now.date()))
    metrics.add_metric(name="ContractsPastEnd", unit="Count", value=len(past_end))
    told = tuple(event.id for event in found.values())
    logger.info("swept", extra={"told": told, "past_end": past_end})
    return Swept(told=told, past_end=past_end)
