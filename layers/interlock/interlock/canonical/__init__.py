"""The canonical model that functions, workflows and events speak; no vendor's name is in it."""

from interlock.canonical.base import Canonical, Command, Record, Remediation, Timestamp
from interlock.canonical.money import EXPONENTS, PRICE_DECIMALS, Currency, Money, UnitPrice
from interlock.canonical.records import (
    Account,
    Address,
    Customer,
    Line,
    LineKind,
    Opportunity,
    Order,
    OrderStatus,
    Project,
    Split,
    Subscription,
    Task,
    WonDeal,
    WriteBack,
)

__all__ = [
    "EXPONENTS",
    "PRICE_DECIMALS",
    "Account",
    "Address",
    "Canonical",
    "Command",
    "Currency",
    "Customer",
    "Line",
    "LineKind",
    "Money",
    "Opportunity",
    "Order",
    "OrderStatus",
    "Project",
    "Record",
    "Remediation",
    "Split",
    "Subscription",
    "Task",
    "Timestamp",
    "UnitPrice",
    "WonDeal",
    "WriteBack",
]
