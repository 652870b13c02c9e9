"""What a customer is entitled to now, as sales and support see it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from interlock.canonical.base import Canonical, Command, RecordId, Text, Timestamp
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


class ShowService(Command):
    """Show it in CRM or support; the `round` counts what a transaction shows there."""

    service: Service
    round: Annotated[int, Field(ge=0)]

    @property
    def record(self) -> str:
        """What makes this one effect: another round may show another, or the same again."""
        return f"{self.service.account_id}/{self.correlation_id}/{self.round}"
