"""What a billing system must be able to do."""

from __future__ import annotations

from typing import Protocol

from interlock.canonical import Account, Canonical, Customer, Subscription


class Catalogue(Canonical):
    """Which of the asked products the billing system can charge for."""

    billable_skus: tuple[str, ...]


class BillingPort(Protocol):
    """A billing system behind one connection.

    `remote_id` is always the billing system's own id. `idempotency_key` is deterministic per
    attempt at the same content and passed on to the vendor. Every method may raise
    VendorUnavailable, VendorThrottled, CredentialsRejected and VendorRejected; a write may raise
    OutcomeUnknown. A `find_` returns None when the record is provably absent (a cancelled or
    deleted one counts as absent) and raises RecordConflict when several carry the business key.
    """

    def get_catalogue(self, skus: tuple[str, ...]) -> Catalogue:
        """Which of these products exist and are active."""

    def get_customer(self, remote_id: str) -> Customer:
        """Raises RecordNotFound."""

    def find_customer(self, account: Account) -> Customer | None:
        """The customer that carries the account's id."""

    def create_customer(self, account: Account, *, idempotency_key: str) -> Customer:
        """Enter a customer that carries the account's id."""

    def delete_customer(self, remote_id: str) -> None:
        """Remove a customer without live subscriptions; a removed one is no error.

        Raises BusinessRuleViolation when it has live subscriptions.
        """

    def get_subscription(self, remote_id: str) -> Subscription:
        """Raises RecordNotFound."""

    def find_subscription(self, order_id: str, *, customer_remote_id: str) -> Subscription | None:
        """The subscription that carries the order's id and is not cancelled.

        Also when it is another customer's: that of an attempt before the customer was corrected.
        """

    def create_subscription(
        self, subscription: Subscription, *, customer_remote_id: str, idempotency_key: str
    ) -> Subscription:
        """Start it on its start date (which may be in the future), at the prices of its lines."""

    def cancel_subscription(self, remote_id: str) -> Subscription:
        """Cancel at once, without proration or a final invoice; a cancelled one stays as it is."""
