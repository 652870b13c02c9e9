"""How transactions of subscription billing begin: something happens at Stripe, and it tells of it.

What it builds on has happened before and is in the books by then.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import cache, partial

from local.environment import LocalEnvironment
from local.faults.transaction import Transaction
from local.sandboxes.salesforce_seed import USD_DEAL, close_won, create_deal
from local.sandboxes.stripe import (
    credit_notes,
    disputes,
    events,
    invoice_api,
    invoice_items,
)
from local.sandboxes.stripe.account import StripeObject
from local.sandboxes.stripe.calendar_months import later
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.events import partner_event

VISA, DECLINED = "pm_card_visa", "pm_card_chargeCustomerFail"
DAY = 24 * 3600
SECONDS = 60
_numbers = itertools.count(1)


def invoice(environment: LocalEnvironment) -> Transaction:
    """An invoice becomes final: a line with a service period, and tax."""
    return _told(environment, "invoice.finalized", partial(_final_invoice, environment))


def credited_invoice(environment: LocalEnvironment) -> Transaction:
    """An invoice becomes final, and the customer's own credit pays some of it."""
    _credit(environment, _paid_invoice(environment), credit_amount=21_650)
    _book(environment, "credit_note.created")
    return invoice(environment)


def payment(environment: LocalEnvironment) -> Transaction:
    """An invoice is paid."""
    paid = partial(_pay, environment, _posted_invoice(environment))
    return _told(environment, "invoice_payment.paid", paid, record=_newest_charge)


def credit_note(environment: LocalEnvironment) -> Transaction:
    """A part of an open invoice is credited."""
    credited = partial(_credit, environment, _posted_invoice(environment))
    return _told(environment, "credit_note.created", credited)


def refund(environment: LocalEnvironment) -> Transaction:
    """A part of a paid invoice is credited and given back."""
    document = _paid_invoice(environment)

    def given_back() -> None:
        _credit(environment, document, refund_amount=21_650)
        _book(environment, "credit_note.created")

    return _told(environment, "refund.created", given_back)


def dispute(environment: LocalEnvironment) -> Transaction:
    """The customer's bank takes a payment back."""
    _paid_invoice(environment)
    disputed = partial(
        environment.stripe.by_hand,
        lambda account: disputes.open_on(account, list(account.charges.values())[-1]),
    )
    return _told(environment, "charge.dispute.funds_withdrawn", disputed)


def payout(environment: LocalEnvironment) -> Transaction:
    """What was paid, and is in the books, reaches the bank."""
    _paid_invoice(environment)

    def days_pass() -> None:
        environment.cloud.clock.advance(7 * DAY)
        environment.stripe.advance()

    return _told(environment, "payout.reconciliation_completed", days_pass)


def dunning(environment: LocalEnvironment) -> Transaction:
    """An invoice is not paid: its payment fails. Nobody has told anyone of this customer yet."""
    customer = _new_customer(environment)
    document = _posted_invoice(
        environment, customer=customer["id"], collection_method="charge_automatically"
    )
    return _told(
        environment, "invoice.payment_failed", partial(_pay, environment, document, DECLINED)
    )


def usage(environment: LocalEnvironment) -> Transaction:
    """The product tells what a customer used."""
    id = f"usage-{next(_numbers):08}"
    customer = _metered(environment)["metadata"]["interlock_account_id"]
    now = environment.cloud.clock.utc().isoformat()
    record = f"product:{id}"
    event = {
        "id": record,
        "type": "usage.recorded",
        "source": "product",
        "subject": record,
        "occurred_at": now,
        "correlation_id": id,
        "data": {
            "id": record,
            "customer_id": customer,
            "meter": "api-requests",
            "quantity": "1250",
            "occurred_at": now,
        },
    }
    entry = {
        "EventBusName": environment.cloud.resources["IntegrationBus"],
        "Source": "interlock",
        "DetailType": event["type"],
        "Detail": json.dumps(event),
    }
    bus = environment.cloud.client("events")
    return Transaction(id, (record,), lambda: bus.put_events(Entries=[entry]))


def _told(
    environment: LocalEnvironment,
    type: str,
    act: Callable[[], object],
    record: Callable[[LocalEnvironment], str] | None = None,
) -> Transaction:
    """What acts has happened at Stripe; it tells of it, by an event of this type, at the beginning.

    The transaction is about the event's object; `record` is another one that it is booked as.
    """
    _settle(environment)
    act()
    event = _newest(environment, type)
    subject = event["data"]["object"]["id"]
    booked = record(environment) if record else subject
    begin = partial(environment.publish, partner_event(event))
    return Transaction(subject, (f"stripe:{booked}",), begin)


def _newest(environment: LocalEnvironment, type: str) -> StripeObject:
    told = environment.stripe.account.events.values()
    id = next(event["id"] for event in reversed(told) if event["type"] == type)
    return environment.stripe.do(events.retrieve, id)


def _newest_charge(environment: LocalEnvironment) -> str:
    return list(environment.stripe.account.charges)[-1]


def _final_invoice(environment: LocalEnvironment, **changes: object) -> StripeObject:
    stripe = environment.stripe
    wanted = {"collection_method": "send_invoice", "days_until_due": 30} | changes
    customer = wanted.pop("customer", None) or _customer(environment)["id"]
    if wanted["collection_method"] == "charge_automatically":
        del wanted["days_until_due"]
    draft = stripe.do(
        invoice_api.create,
        customer=customer,
        currency="usd",
        automatic_tax={"enabled": True},
        metadata={"interlock_subsidiary": "TESSALINE-US"},
        **wanted,
    )
    now = stripe.account.now()
    stripe.do(
        invoice_items.create,
        customer=customer,
        invoice=draft["id"],
        price_data={
            "currency": "usd",
            "product": "PLATFORM-ANNUAL",
            "unit_amount": 120_000,
            "tax_behavior": "exclusive",
        },
        period={"start": now, "end": later(now, "month", 2)},
    )
    return stripe.do(invoice_api.finalize, draft["id"])


def _posted_invoice(environment: LocalEnvironment, **changes: object) -> StripeObject:
    """One that is in the books."""
    document = _final_invoice(environment, **changes)
    _book(environment, "invoice.finalized")
    return document


def _paid_invoice(environment: LocalEnvironment) -> StripeObject:
    """One that is in the books with its payment."""
    document = _posted_invoice(environment)
    _pay(environment, document)
    _book(environment, "invoice_payment.paid")
    return document


def _book(environment: LocalEnvironment, type: str) -> None:
    """Stripe tells of what has just happened, and it is booked."""
    environment.publish(partner_event(_newest(environment, type)))
    _settle(environment)


def _pay(environment: LocalEnvironment, document: StripeObject, card: str = VISA) -> None:
    try:
        environment.stripe.do(invoice_api.pay, document["id"], payment_method=card)
    except ApiError:
        if card != DECLINED:
            raise


def _credit(environment: LocalEnvironment, document: StripeObject, **back: int) -> None:
    [line] = environment.stripe.account.lines[document["id"]]
    credited = {"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": 20_000}
    environment.stripe.do(credit_notes.create, invoice=document["id"], lines=[credited], **back)


def _settle(environment: LocalEnvironment) -> None:
    """Until nothing works."""
    environment.cloud.run_until(lambda: environment.cloud.is_still, SECONDS)


@cache
def _metered(environment: LocalEnvironment) -> StripeObject:
    """The customer, once it has a subscription that charges its usage."""
    customer = _customer(environment)
    environment.stripe.charge_usage(customer["id"], "api-requests")
    return customer


@cache
def _customer(environment: LocalEnvironment) -> StripeObject:
    """The one that most transactions are about."""
    return _new_customer(environment)


def _new_customer(environment: LocalEnvironment) -> StripeObject:
    """A customer of every system, as lead to order makes it."""
    organization = environment.organization
    with organization.transaction():
        deal = create_deal(organization, USD_DEAL, suffix=f"Billed{next(_numbers)}")
    close_won(organization, deal)
    account = organization.get("Opportunity", deal)["AccountId"]

    def there() -> list[StripeObject]:
        return [
            customer
            for customer in environment.stripe.account.customers.values()
            if customer.get("metadata", {}).get("interlock_account_id") == f"salesforce:{account}"
        ]

    environment.cloud.run_until(lambda: there() and environment.cloud.is_still, SECONDS)
    return there()[0]
