"""Raise an exception for a failed step, routed to the team that can fix it; the run waits."""

import os
from pathlib import Path

from interlock import events
from interlock.handler import operation
from interlock.remediation import BusinessException, Exceptions, RaiseException, news
from interlock.rules.routing import Routing

ROUTING = Routing.load(Path(__file__).parent / "routing.toml")


@operation
def handler(command: RaiseException) -> BusinessException:
    """Keep the exception with its token, and tell it on the integration bus.

    The answer is for the log: the state machine goes on when a team's decision answers the token.
    """
    store = Exceptions.load()
    now = store.now()
    route = ROUTING.route(command.step, command.error.name)
    raised = store.raise_(
        command.exception(
            team=route.team,
            actions=ROUTING.actions_for(command.step),
            raised_at=now,
            due_at=now + route.due,
            trace_id=os.environ.get("_X_AMZN_TRACE_ID"),
        ),
        command.token,
    )
    kind = "exception.escalated" if command.escalations else "exception.raised"
    events.publish(news(raised, kind, now))
    return raised
