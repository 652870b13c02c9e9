"""One contract as all four systems have it, for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from interlock.canonical import Money
from interlock.canonical.contracts import BilledContract
from interlock.canonical.services import Service
from rich.table import Table

from local.cli.output import table
from local.renewals.outcome import ORDER, Outcome, Told

Row = tuple[str, str, str]


def records(outcome: Outcome, told: Told) -> list[Row]:
    """Each record with what it says: its system, what it is, and its content.

    A row without a system is a detail of the record before.
    """
    return [
        *_deals(outcome, told),
        *_subscription(outcome, told),
        *_orders(outcome, told),
        *_services(outcome, told),
        *_notice(outcome, told),
    ]


def in_full(found: list[Row]) -> Table:
    """With their details."""
    printed = table("System", "Record", "What it says", whole=["System", "Record"])
    for row in found:
        printed.add_row(*row)
    return printed


def in_short(found: list[Row]) -> str:
    """Without their details, in a line."""
    return "; ".join(f"{system} {what}: {said}" for system, what, said in found if system)


def _deals(outcome: Outcome, told: Told) -> Iterator[Row]:
    organization = outcome.company.environment.organization
    contract = told.contract
    for deal in organization.matching("Opportunity", "Interlock_Contract__c", contract.id):
        amount = Money.rounded(deal["Amount"] or Decimal(0), contract.currency)
        said = f"{deal['StageName']}, {amount} a year"
        if deal["Interlock_Order_Number__c"]:
            said += f", order {deal['Interlock_Order_Number__c']}"
        yield "Salesforce", deal["Contract_Change__c"].lower(), said
        if working := deal["Interlock_Quote_Working__c"]:
            yield "", "quote", working


def _subscription(outcome: Outcome, told: Told) -> Iterator[Row]:
    schedules = outcome.company.environment.stripe.account.schedules.values()
    for schedule in list(schedules):
        if schedule["metadata"].get(ORDER) == told.contract.id:
            billed = outcome.systems.billing.get_billed_contract(schedule["id"])
            yield "Stripe", "subscription", _ending(billed)
            for phase in billed.phases:
                yearly = Money.total((line.amount for line in phase.lines), told.contract.currency)
                lines = ", ".join(f"{line.quantity} {line.sku}" for line in phase.lines)
                yield "", f"from {phase.starts_on}", f"{lines}: {yearly} a year"


def _ending(billed: BilledContract) -> str:
    goes_on = "ends with its last phase" if billed.ends else "goes on"
    return f"{billed.status}, {goes_on}, as of revision {billed.revision}"


def _orders(outcome: Outcome, told: Told) -> Iterator[Row]:
    for id in told.orders:
        order = outcome.systems.erp.find_order(id)
        if order:
            said = f"from {order.start_date}, {order.net} net, {order.status}"
            yield "Tryton", order.number or "order", said
        else:
            yield "Tryton", "order", "not there"


def _services(outcome: Outcome, told: Told) -> Iterator[Row]:
    for system, service in outcome.services(told.contract.account_id).items():
        yield system, "service", _served(service)


def _served(service: Service | None) -> str:
    if service is None:
        return "nothing"
    listed = ", ".join(f"{each.quantity} {each.sku}" for each in service.entitlements)
    until = f", until {service.until}" if service.until else ""
    return f"{service.state}: {listed or 'nothing'}{until}"


def _notice(outcome: Outcome, told: Told) -> Iterator[Row]:
    renewal = f"{told.contract.id}@{told.signed.ends_on}"
    if notice := outcome.systems.support.find_notice(renewal):
        yield "Zendesk", "notice", f"{notice.subject} (to {notice.customer_email})"
