"""What a support system must be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from interlock.canonical import Task
from interlock.canonical.credits import Case, CreditOutcome
from interlock.canonical.dunning import DunningFlag


class SupportPort(Protocol):
    """A support system behind one connection.

    `remote_id` is always the support system's own id, as text. Every method may raise
    VendorUnavailable, VendorThrottled, CredentialsRejected and VendorRejected; a write may raise
    OutcomeUnknown. A `find_` returns None when the record is provably absent and raises
    RecordConflict when several carry the business key.
    """

    def get_task(self, remote_id: str) -> Task:
        """Raises RecordNotFound."""

    def find_task(self, task_id: str) -> Task | None:
        """The open task that carries this external id; a closed one counts as absent."""

    def create_task(self, task: Task, *, idempotency_key: str) -> Task:
        """Open a ticket that carries the task's id."""

    def close_task(self, remote_id: str, *, note: str) -> Task:
        """Close the ticket with an internal note; a closed one is left as it is."""

    def read_dunning(self, account_id: str) -> DunningFlag | None:
        """The flag on the customer's organization, None when support does not know the customer."""

    def write_dunning(self, flag: DunningFlag) -> DunningFlag | None:
        """Set or remove the flag on the customer's organization and on its open tickets.

        The same again is harmless. None when support does not know the customer.
        """

    def get_case(self, case_id: str) -> Case:
        """A case by its canonical id, as it is now. Raises RecordNotFound."""

    def read_credit_outcome(self, case_id: str) -> CreditOutcome | None:
        """What the case was told last of a credit, as far as its fields say; None for nothing.

        Raises RecordNotFound.
        """

    def write_credit_outcome(self, outcome: CreditOutcome) -> CreditOutcome:
        """Set the case's fields and leave an internal note, in one write, marked as ours.

        Raises RecordNotFound, and BusinessRuleViolation for a case that can no longer be changed.
        """

    def unanswered_requests(
        self, *, requested_after: datetime, requested_before: datetime
    ) -> Iterator[Case]:
        """The cases that ask for a credit and were told of none since, in any order.

        Both ends of the time of asking are included.
        """
