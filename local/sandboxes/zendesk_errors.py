"""What the Zendesk sandbox refuses."""

from __future__ import annotations


class RecordInvalid(Exception):
    """A value that Zendesk does not accept: which attribute, why, and Zendesk's name for why."""

    def __init__(self, attribute: str, description: str, error: str = "InvalidValue") -> None:
        super().__init__(description)
        self.attribute = attribute
        self.description = description
        self.error = error


class RecordNotFound(Exception):
    """No record has this id."""


class UpdateConflict(Exception):
    """A safe update of a ticket that changed since it was read."""
