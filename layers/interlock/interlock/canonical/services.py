"""What a customer is entitled to now, as sales and support see it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from interlock.canonical.base import Canonical, RecordId, Text, Timestamp
from interlock.canonical.records import Quantity, Sku


class ServiceState(StrEnum):
    """Whether a customer is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Entitlement(Canonical):
    """How much of a product a customer may use."""

    sku: Sku
    quantity: Quantity


class Suspension(Canonical):
    """Who suspended a customer's service, why, and when."""

    by: Text
    reason: Text
    at: Timestamp


class Service(Canonical):
    """What an account is entitled to: the products of all its contracts, by SKU.

    `until` is the last day of the contract that ends first of those that will not be renewed, None
    when all go on. `reason` says why it is suspended, None when it is not.
    """

    account_id: RecordId
    state: ServiceState
    entitlements: tuple[Entitlement, ...] = ()
    until: date | None = None
    reason: str | None = None

    @property
    def remote_id(self) -> str:
        """The record that carries it."""
        return self.account_id
