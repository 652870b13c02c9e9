"""Decide in which period usage is charged: in its own, or, if that is over, in the running one."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.billing import PlacedUsage, UsageRecord
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation
from interlock.rules import usage_window


class PlaceUsage(Command):
    """The usage, as the product tells it."""

    usage: UsageRecord


@operation
def handler(command: PlaceUsage) -> PlacedUsage:
    """As the billing system's periods are now."""
    billing, system, usage = connections.billing(), connections.current().name, command.usage
    customer = CrossReferences.load().require(reference("customer", usage.customer_id), system)
    windows = billing.get_usage_windows(usage.meter, customer_remote_id=customer)
    return usage_window.place(usage, windows)
