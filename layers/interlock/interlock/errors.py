"""Every error a function may end with: a closed list, grouped by what to do about it.

Lambda reports only the class name of an exception, and Step Functions matches that string in
`ErrorEquals`; a test holds the state machines to the names in this module.

    InterlockError
    ├── TransientError         the state machine tries again
    │   ├── VendorUnavailable      nothing was applied
    │   ├── VendorThrottled        nothing was applied
    │   ├── BudgetExhausted        nothing was sent: others are to be served first
    │   ├── NotYetPosted           what this one builds on is not in the books yet: it will be
    │   └── OutcomeUnknown         a write may have been applied: look before writing again
    └── PermanentError         trying again changes nothing: a team decides
        ├── VendorRejected         the vendor refuses the request as it is
        ├── RecordConflict         the record is there, with another content
        ├── RecordNotFound         the record is not there
        ├── CredentialsRejected    the connection's secret or its permissions
        ├── AuthorityViolation     a field written by a system that does not own it
        ├── ContractViolation      a message that does not have the agreed shape
        └── BusinessRuleViolation  a rule of finance or sales; says what to fix

An error's text names vendor, operation, record and request id. It never holds a response body or
a secret.
"""

from __future__ import annotations

import math
from typing import Any


class InterlockError(Exception):
    """The root of all; `message` says what happened and, where someone can act, what to do."""

    def __init__(
        self,
        message: str,
        *,
        vendor: str | None = None,
        operation: str | None = None,
        record: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.message = message
        self.vendor = vendor
        self.operation = operation
        self.record = record
        self.status = status
        self.code = code
        self.request_id = request_id
        super().__init__(self._text())

    def _text(self) -> str:
        where = " ".join(part for part in (self.vendor, self.operation, self.record) if part)
        facts = {"status": self.status, "code": self.code, "request": self.request_id}
        details = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({details})" if details else text


class TransientError(InterlockError):
    """Trying again later may succeed: the state machine owns the retry.

    `retry_after` is when that makes sense, in seconds; None when nobody knows.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **where: Any) -> None:
        self.retry_after = retry_after
        # In the text too: it is all of an error that a state machine sees.
        wish = f": try again after {math.ceil(retry_after)} s" if retry_after else ""
        super().__init__(message + wish, **where)


class VendorUnavailable(TransientError):
    """The vendor could not be reached or did not work; nothing was applied."""


class VendorThrottled(TransientError):
    """Too many requests, the vendor says."""


class BudgetExhausted(TransientError):
    """Our own budget of requests to the vendor leaves none now; the request was not sent.

    Not a failure of the step: the state machine waits for its turn as often as it takes.
    `untouched` says that the step has sent the vendor no earlier request either.
    """

    def __init__(self, message: str, *, untouched: bool = False, **where: Any) -> None:
        self.untouched = untouched
        super().__init__(message, **where)


class NotYetPosted(TransientError):
    """What this record builds on is not in the books yet: events come in any order.

    It is on its way, or a sweep will find it: the state machine waits longer than for a vendor.
    """


class OutcomeUnknown(TransientError):
    """A write may have been applied: the effect ledger looks it up before writing again."""


class PermanentError(InterlockError):
    """Trying again changes nothing: an exception is raised to the team that can fix it."""


class VendorRejected(PermanentError):
    """The vendor refuses the request as it is."""


class RecordConflict(PermanentError):
    """A record for this business key exists with another content, or changed meanwhile."""


class RecordNotFound(PermanentError):
    """The vendor does not have the record."""


class CredentialsRejected(PermanentError):
    """The connection's secret is wrong, revoked, or lacks a permission."""


class AuthorityViolation(PermanentError):
    """A value would be written that comes from a system which does not own the field."""


class ContractViolation(PermanentError):
    """A command, event or vendor answer does not have the agreed shape."""


class BusinessRuleViolation(PermanentError):
    """The record breaks rules of the business; `problems` says each one and what to fix."""

    def __init__(self, problems: list[str], **where: Any) -> None:
        self.problems = problems
        super().__init__("; ".join(problems), **where)
