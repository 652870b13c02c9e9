"""What a support system must be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from interlock.canonical import Task
from interlock.canonical.contracts import Notice
from interlock.canonical.credits import Case, CreditOutcome
from interlock.canonical.customer_view import OpenCases
from interlock.canonical.dunning import DunningFlag
from interlock.canonical.services import Service


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

    def get_open_cases(self, account_id: str) -> OpenCases:
        """The cases that are not solved; none of a customer that support does not know."""

    def get_notice(self, remote_id: str) -> Notice:
        """Raises RecordNotFound."""

    def find_notice(self, notice_id: str) -> Notice | None:
        """The notice that carries this id and was not withdrawn."""

    def send_notice(self, notice: Notice, *, idempotency_key: str) -> Notice:
        """Send it to the customer's e-mail address, from where an answer comes back to support."""

    def withdraw_notice(self, remote_id: str) -> Notice:
        """Tell the customer that it does not hold; one that was withdrawn is left as it is."""

    def read_service(self, account_id: str) -> Service | None:
        """What the customer's organization says of its entitlements; None for nothing.

        Also None when support does not know the customer.
        """

    def write_service(self, service: Service) -> Service | None:
        """Set it on the customer's organization; the same again is harmless.

        None when support does not know the customer.
        """
