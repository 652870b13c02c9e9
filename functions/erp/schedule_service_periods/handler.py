"""Spread the revenue of a posted document over the periods that it was charged for."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.books import PostedDocument, ServiceSchedule
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class ScheduleServicePeriods(Command):
    """The document in the books."""

    posted: PostedDocument


@operation
def handler(command: ScheduleServicePeriods) -> ServiceSchedule:
    """What is recognised in which month; the ERP spreads no document twice."""
    erp, posted = connections.erp(), command.posted
    # Of this document in the books: one that is reversed and posted anew is another one there.
    record = f"{posted.id}/{posted.remote_id}"
    effect = Effect(
        key=EffectKey(connections.current().name, "schedule_service_periods", record),
        entity="service_schedule",
        content=posted.model_copy(update={"status": "posted", "remaining": posted.total}),
        origin="erp",
        command=command,
        result=ServiceSchedule,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.schedule_service_periods(posted.remote_id),
        find=lambda: None,
        read=erp.schedule_service_periods,
    )
