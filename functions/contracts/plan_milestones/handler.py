"""Schedule the milestones of a contract's renewal."""

from interlock.canonical import Canonical, Command
from interlock.canonical.contracts import Contract
from interlock.handler import operation
from interlock.schedules import Schedules


class PlanMilestones(Command):
    """The contract as it is now; None when there is none to plan."""

    contract: Contract | None


class PlannedMilestones(Canonical):
    """The days before the end, of each milestone that is planned."""

    planned: tuple[int, ...]


@operation
def handler(command: PlanMilestones) -> PlannedMilestones:
    """What was planned for another end is planned no more; the same again changes nothing."""
    if command.contract is None:
        return PlannedMilestones(planned=())
    schedules = Schedules.load()
    if command.dry_run:
        return PlannedMilestones(planned=tuple(schedules.upcoming(command.contract)))
    return PlannedMilestones(planned=schedules.plan(command.contract))
