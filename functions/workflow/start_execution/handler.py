"""Start a workflow for a canonical event: once, whatever the number of deliveries."""

from typing import Any

from interlock import aws
from interlock.canonical.base import Canonical, Text
from interlock.events import Event
from interlock.handler import event_handler, parse
from interlock.inbox import consume
from interlock.telemetry import logger
from interlock.timeline import Timeline


class StartExecution(Canonical):
    """What a workflow's rule puts on the start queue: its state machine's ARN and the event."""

    state_machine: Text
    event: Event


@event_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Consume a batch of the start queue."""
    return consume(event, context, start)


def start(message: dict[str, Any]) -> None:
    """The execution is named after the transaction, so a second start of it is refused.

    No run begins that the timeline does not know of, whatever becomes of the timeline's own queue:
    the sweep asks it. https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    command = parse(StartExecution, message)
    Timeline.load().record(command.event)
    states = aws.client("stepfunctions")
    try:
        states.start_execution(
            stateMachineArn=command.state_machine,
            name=command.event.correlation_id,
            input=command.event.model_dump_json(),
        )
    except states.exceptions.ExecutionAlreadyExists:
        logger.info("already started", extra={"execution": command.event.correlation_id})
