"""Which team can fix a failed step, by when, and what it may decide: rules in a file (EXC-1)."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from interlock.canonical.base import Action, Canonical, Text


class Route(Canonical):
    """Failures of these steps with these errors go to this team; no list means any."""

    team: Text
    due_hours: Annotated[int, Field(gt=0)]
    steps: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def takes(self, step: str, error: str) -> bool:
        """Whether this route is for that failure."""
        return (not self.steps or step in self.steps) and (not self.errors or error in self.errors)

    @property
    def due(self) -> timedelta:
        """How long the team has."""
        return timedelta(hours=self.due_hours)


class Routing(Canonical):
    """The routes in order, the first that fits wins; the last must take everything.

    `actions` says what may be decided about a step; `default_actions` about any other.
    """

    default_actions: tuple[Action, ...]
    actions: dict[str, tuple[Action, ...]] = {}
    routes: tuple[Route, ...]

    @classmethod
    def load(cls, path: Path) -> Routing:
        """Raises ValueError when the last route does not take everything, or a rule is wrong."""
        routing = cls.model_validate(tomllib.loads(path.read_text()))
        if not routing.routes or routing.routes[-1].steps or routing.routes[-1].errors:
            raise ValueError(f"{path.name}: the last route must take every step and error")
        return routing

    def route(self, step: str, error: str) -> Route:
        """The team that can fix a failure."""
        return next(route for route in self.routes if route.takes(step, error))

    def actions_for(self, step: str) -> tuple[Action, ...]:
        """What may be decided about a failed step."""
        return self.actions.get(step, self.default_actions)
