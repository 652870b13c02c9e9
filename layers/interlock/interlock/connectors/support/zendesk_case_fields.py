"""The custom fields of a Zendesk ticket that asks for a credit: what agents enter, what we answer.

Which ids they have says the connection's option `case_fields`, a JSON object as text:

    {"credit": "101", "severity": "102", "started_at": "103", "ended_at": "104", "products": "105",
     "status": "106", "amount": "107", "transaction": "108"}

`credit` and `severity` are drop-downs (tagger) whose values are the tags below; the others are
text. Agents fill in the first five; the last three are ours.

- Custom fields: https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_fields/
- Their values on a ticket:
  https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#setting-custom-field-values
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from interlock.canonical.base import RecordId, Timestamp
from interlock.canonical.credits import CreditOutcome, Severity
from interlock.canonical.money import Money
from interlock.canonical.records import Sku
from interlock.connectors.support.zendesk_records import Json
from interlock.errors import ContractViolation

REQUESTED = "interlock_credit_requested"
ANSWERED = "interlock_credit_answered"
SEVERITIES = {f"interlock_severity_{severity}": severity for severity in Severity}
CRITICAL = f"interlock_severity_{Severity.CRITICAL}"
# How a field's text begins in a sentence about it; no agent's essay belongs into one.
QUOTED = 60

_DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)")
_TIME: TypeAdapter[datetime] = TypeAdapter(Timestamp)
_SKU: TypeAdapter[str] = TypeAdapter(Sku)
_ACCOUNT: TypeAdapter[str] = TypeAdapter(RecordId)


class CaseFields(BaseModel):
    """The ids of the custom fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credit: int
    severity: int
    started_at: int
    ended_at: int
    products: int
    status: int
    amount: int
    transaction: int

    @classmethod
    def read(cls, options: Mapping[str, str]) -> CaseFields:
        """Those of a connection. Raises ContractViolation that names what is wrong there."""
        try:
            return cls.model_validate(json.loads(options.get("case_fields", "{}")))
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        except ValueError:
            wrong = "it is not JSON"
        raise ContractViolation(
            f"the connection's option case_fields is not as the adapter says: {wrong}",
            vendor="zendesk",
        )

    def of(self, ticket: Json) -> Entered:
        """What a ticket has in them."""
        values = {each["id"]: each["value"] for each in ticket["custom_fields"]}
        return Entered({name: values.get(number) or "" for name, number in self})


class Entered:
    """What the fields of a ticket have, by name, and what of that nobody can read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.problems: list[str] = []

    @property
    def asks(self) -> bool:
        """Whether the case asks for a credit now."""
        return self._values["credit"] == REQUESTED

    def severity(self) -> Severity | None:
        """None, and a problem, for a choice that is none of ours."""
        return self._read("severity", SEVERITIES.__getitem__, "choose one that Interlock knows")

    def time(self, name: str) -> datetime | None:
        """None, and a problem, for what is no time with its zone."""
        return self._read(name, _time, "enter a time as 2026-11-02T09:30Z")

    def skus(self) -> tuple[str, ...]:
        """Those that can be read; a problem for any other."""
        found = self._read("products", _skus, "enter SKUs, separated by commas")
        return found or ()

    def account(self, external_id: str | None) -> str | None:
        """The customer's canonical id; None, and a problem, when no organization has one."""
        try:
            return _ACCOUNT.validate_python(external_id)
        except ValidationError:
            self.problems.append(
                "the ticket's organization carries no customer's id: give the ticket the"
                " customer's organization, and that one the CRM account's id as its external id"
            )
            return None

    def outcome(self, case_id: str) -> CreditOutcome | None:
        """What the case was told; None for nothing, and for what people wrote over it."""
        amount, _, currency = str(self._values["amount"]).partition(" ")
        told = {
            "case_id": case_id,
            "transaction": self._values["transaction"],
            "status": self._values["status"],
            "amount": {"amount": amount, "currency": currency} if amount else None,
        }
        try:
            return CreditOutcome.model_validate(told)
        except ValidationError:
            return None

    def says(self, texts: Mapping[str, str]) -> bool:
        """Whether the fields have these values."""
        return all(self._values[name] == text for name, text in texts.items())

    def _read(self, name: str, reader: Callable[[Any], Any], advice: str) -> Any:
        """What a reader makes of a field's value, None for an empty one."""
        if not (value := self._values[name]):
            return None
        try:
            if not isinstance(value, str):  # the field was made with another type
                raise TypeError
            return reader(value)
        except (ValueError, KeyError, TypeError):
            what = name.replace("_", " ")
            quoted = str(value)[:QUOTED]
            self.problems.append(f"its field {what!r} says {quoted!r}: {advice}")
            return None


def answer(outcome: CreditOutcome) -> dict[str, str]:
    """What the fields are to say of an outcome, by name."""
    return {
        "credit": ANSWERED,
        "status": outcome.status,
        "amount": _text(outcome.amount) if outcome.amount else "",
        "transaction": outcome.transaction,
    }


def note(outcome: CreditOutcome) -> str:
    """What an agent reads of an outcome; what the customer reads is the agent's to write."""
    lines = [f"Credit: {outcome.status}"]
    if outcome.amount:
        lines.append(f"{outcome.amount}, net of tax")
    if outcome.documents:
        lines.append(f"Credit notes: {', '.join(outcome.documents)}")
    return "\n".join([*lines, *outcome.reasons, f"Transaction: {outcome.transaction}"])


def is_critical(ticket: Json) -> bool:
    """Whether a ticket has that severity: no other field has such a value."""
    return any(each["value"] == CRITICAL for each in ticket["custom_fields"])


def _text(amount: Money) -> str:
    return f"{amount.amount:f} {amount.currency}"


def _time(text: str) -> datetime:
    if not _DAY_AND_TIME.fullmatch(text.strip()):
        raise ValueError("no time")
    return _TIME.validate_python(text.strip())


def _skus(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(name.strip() for name in text.split(","))
    return tuple(_SKU.validate_python(name) for name in names if name)
