"""Zendesk records as JSON, to canonical records and back.

- Tickets: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#json-format
- Organizations: https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from interlock.canonical import Task
from interlock.canonical.dunning import DunningFlag
from interlock.connections import Connection
from interlock.errors import ContractViolation

Json = dict[str, Any]

CLOSED = ("solved", "closed")
# The tag of the tickets that we make: a customer's cases do not have it.
OURS = "interlock"
CUSTOMER_USER = "interlock-customer-"

# All are text: the amount is exact so, and the day has one spelling.
DUNNING_FIELDS = (
    "interlock_dunning",
    "interlock_overdue_amount",
    "interlock_overdue_currency",
    "interlock_overdue_since",
)


def task(ticket: Json, requester: Json, connection: Connection) -> Task:
    """A ticket or requester made by hand has no id of ours: its own id is canonical then."""
    remote_id = str(ticket["id"])
    requester_id = str(requester["id"])
    customer_id = connection.canonical_id(requester_id)
    external_id = requester.get("external_id") or ""
    if external_id.startswith(CUSTOMER_USER):
        customer_id = external_id.removeprefix(CUSTOMER_USER)
    try:
        return Task(
            id=ticket["external_id"] or connection.canonical_id(remote_id),
            references={connection.name: remote_id},
            subject=ticket["subject"],
            body=ticket["description"],
            customer_id=customer_id,
            customer_name=requester["name"] or f"user {requester_id}",
            remote_id=remote_id,
            status=ticket["status"],
        )
    except ValidationError as error:
        raise unusable("task", ticket, error) from None


def unusable(kind: str, ticket: Json, error: ValidationError) -> ContractViolation:
    """What is wrong with a ticket that cannot be a record of ours."""
    fields = ", ".join(str(each["loc"][0]) for each in error.errors())
    return ContractViolation(
        f"the ticket cannot be a {kind}, see its {fields}",
        vendor="zendesk",
        record=str(ticket["id"]),
    )


def requester(ticket: Json, answer: Json) -> Json:
    """The requester among the users that came with the answer; only its id when it is not there."""
    gone = {"id": ticket["requester_id"], "name": None, "email": None}
    return {user["id"]: user for user in answer["users"]}.get(ticket["requester_id"], gone)


def dunning_flag(organization: Json, account_id: str) -> DunningFlag:
    """The flag of an organization; empty fields are none.

    Raises ContractViolation for what people entered there.
    """
    fields = organization["organization_fields"] or {}
    try:
        return DunningFlag.from_texts(account_id, (fields.get(key) for key in DUNNING_FIELDS))
    except ValidationError as error:
        parts = ", ".join(dict.fromkeys(str(detail["loc"][0]) for detail in error.errors()))
        raise ContractViolation(
            f"the {parts} in the organization's dunning fields is none of ours: empty the fields"
            " that begin with interlock_, only the integration may write them",
            vendor="zendesk",
            record=account_id,
        ) from None


def flagged(flag: DunningFlag) -> Json:
    """The fields of an organization that say what `flag` says: all empty without one."""
    texts = (text or "" for text in flag.as_texts())  # null is not described
    return dict(zip(DUNNING_FIELDS, texts, strict=True))
