"""Carry out a team's decision: the waiting run resumes at the failed step, or compensates."""

from contextlib import suppress

from interlock import aws, events
from interlock.canonical.base import Canonical, Text
from interlock.handler import operation
from interlock.remediation import BusinessException, Decision, Exceptions, Resolution, news


class ResolveException(Canonical):
    """Which exception, and what was decided by whom."""

    id: Text
    decision: Decision


@operation
def handler(command: ResolveException) -> BusinessException:
    """Record the decision, answer the task token, tell it on the integration bus.

    Repeating the same decision is harmless: a token that is answered already is left alone.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
    """
    store = Exceptions.load()
    resolution = Resolution(decision=command.decision, at=store.now())
    exception, token = store.decide(command.id, resolution)
    states = aws.client("stepfunctions")
    answered = states.exceptions.TaskTimedOut, states.exceptions.TaskDoesNotExist
    with suppress(*answered):
        states.send_task_success(taskToken=token, output=exception.answer())
    exception = store.close(exception, token)
    if exception.status == "resolved":
        events.publish(news(exception, "exception.resolved", exception.resolutions[-1].at))
    return exception
