"""How transactions of case to credit begin: an agent asks for a credit, and Zendesk tells of it.

The customer is one of its own: what was granted before for a month lowers what comes later. It was
sold seats for a year, from the first day of the month that yesterday is in, and what it was
invoiced is in the books. The incident was yesterday.

The mark is the ticket's number, which the webhook's body, the canonical id of the case and the
transaction's name contain: so the ingress is crossed like any other function. Zendesk does not send
again what is answered with 502, as API Gateway answers for a function that died. Then the sweep
tells of the case.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial

from local.credits.scene import AGENT
from local.environment import LocalEnvironment
from local.faults.transaction import Transaction
from local.sandboxes.salesforce_seed import USD_DEAL, LineSample, close_won, create_deal
from local.sandboxes.stripe import events, invoice_api
from local.sandboxes.stripe.account import StripeObject
from local.sandboxes.stripe.events import partner_event
from local.settling import settle

SEAT, VISA = "SEAT-ANNUAL", "pm_card_visa"
# A tenth of a month's fee for so many seats is within policy, or a person has to approve it.
FEW, MANY = 20, 100
# A month with two hours less is below a tier; with ten minutes less it is not.
OUTAGE, HICCUP = timedelta(hours=2), timedelta(minutes=10)
# So many digits are in nothing else that an event says.
FIRST_TICKET = 71_000_001
AT_ONCE = 8
"""Customers that are made side by side: sooner than one after the other."""

_numbers = itertools.count(1)


def automatic(environment: LocalEnvironment) -> Transaction:
    """The policy approves it; it lowers what is still to be paid."""
    return _request(environment, _customer(environment, FEW), OUTAGE)


def approved(environment: LocalEnvironment) -> Transaction:
    """A person approves it; the invoice is paid, so it goes to the customer's balance."""
    return _request(environment, _customer(environment, MANY, paid=True), OUTAGE)


def rejected(environment: LocalEnvironment) -> Transaction:
    """A person rejects it: what was reserved of the cap is given back."""
    transaction = _request(environment, _customer(environment, MANY), OUTAGE)
    return replace(transaction, answer="reject")


def refused(environment: LocalEnvironment) -> Transaction:
    """Nothing is due: the incident stays in the month's allowance, for what comes later."""
    return _request(environment, _customer(environment, FEW), HICCUP)


def _request(environment: LocalEnvironment, account: str, lasted: timedelta) -> Transaction:
    """A case is there, and an agent asks for a credit for it."""
    _prepare(environment)
    desk, webhooks = environment.desk, environment.zendesk.webhooks
    began = _yesterday(environment).replace(hour=10, minute=0)
    agent = desk.agent(AGENT)
    # It was filed long ago: the events of that are not part of the transaction.
    deliver, webhooks.deliver = webhooks.deliver, lambda delivery: None
    number = desk.file(account, "Service down", by=agent)
    times = {"started_at": _entered(began), "ended_at": _entered(began + lasted)}
    desk.enter(number, by=agent, severity="critical", **times)
    webhooks.deliver = deliver
    case = f"zendesk:{number}"
    return Transaction(
        str(number),
        (case, account),
        begin=partial(desk.request_credit, number, by=agent),
        made=partial(_credit_notes, environment, case),
        swept_by="SweepCasesFunction",
    )


def _credit_notes(environment: LocalEnvironment, case: str) -> tuple[str, ...]:
    """Those that were issued for a case: the books follow them by runs of their own."""
    notes = list(environment.stripe.account.credit_notes.values())
    return tuple(f"stripe:{note['id']}" for note in notes if _case_of(note) == case)


def _case_of(note: StripeObject) -> str | None:
    return (note.get("metadata") or {}).get("interlock_case_id")


@cache
def _prepare(environment: LocalEnvironment) -> None:
    """Stripe tells of the credits for cases; what else happens there is nobody's transaction."""

    def tell(event: StripeObject) -> None:
        if event["type"].startswith("credit_note.") and _case_of(event["data"]["object"]):
            environment.publish(partner_event(event))

    environment.stripe.account.on_event = tell
    environment.zendesk.by_hand(lambda account: account.number_from(FIRST_TICKET))


def _customer(environment: LocalEnvironment, seats: int, *, paid: bool = False) -> str:
    """A customer that nobody has had yet: its account's id."""
    stock = _stock(environment, seats, paid)
    if not stock:
        stock += _served(environment, seats, paid=paid)
    return stock.pop()


@cache
def _stock(environment: LocalEnvironment, seats: int, paid: bool) -> list[str]:
    return []


def _served(environment: LocalEnvironment, seats: int, *, paid: bool) -> list[str]:
    """Customers of every system, as lead to order makes them, with their invoice in the books."""
    organization, stripe = environment.organization, environment.stripe
    first_day = _yesterday(environment).date().replace(day=1)
    deals = [_deal(environment, seats, first_day) for _ in range(AT_ONCE)]
    for deal in deals:
        close_won(organization, deal)
    settle(environment.cloud)
    accounts = [
        f"salesforce:{organization.get('Opportunity', deal)['AccountId']}" for deal in deals
    ]
    invoices = [_invoice(environment, account) for account in accounts]
    for invoice in invoices:
        stripe.do(invoice_api.finalize, invoice)
        _tell(environment, "invoice.finalized", invoice)
    settle(environment.cloud)
    if paid:
        for invoice in invoices:
            stripe.do(invoice_api.pay, invoice, payment_method=VISA)
            _tell(environment, "invoice_payment.paid", invoice)
        settle(environment.cloud)
    return accounts


def _deal(environment: LocalEnvironment, seats: int, first_day: date) -> str:
    """A deal over so many seats, whose service has begun."""
    organization = environment.organization
    seat = next(line for line in USD_DEAL.lines if line.product == SEAT)
    lines = (LineSample(SEAT, Decimal(seats), seat.unit_price),)
    sold = replace(USD_DEAL, accounts=USD_DEAL.accounts[:1], lines=lines)
    with organization.transaction():
        deal = create_deal(organization, sold, suffix=f"Served{next(_numbers)}")
        begins = {"Contract_Start_Date__c": first_day.isoformat()}
        organization.update("Opportunity", deal, begins)
    return deal


def _invoice(environment: LocalEnvironment, account: str) -> str:
    """The one that charges the customer."""
    stripe = environment.stripe.account
    [customer] = [
        each["id"]
        for each in stripe.customers.values()
        if each.get("metadata", {}).get("interlock_account_id") == account
    ]
    [invoice] = [each for each in stripe.invoices.values() if each["customer"] == customer]
    return invoice["id"]


def _tell(environment: LocalEnvironment, type: str, invoice: str) -> None:
    """Stripe tells of the latest event of a type about an invoice."""
    for event in reversed(environment.stripe.account.events.values()):
        told = environment.stripe.do(events.retrieve, event["id"]) if event["type"] == type else {}
        subject = told.get("data", {}).get("object", {})
        if invoice in (subject.get("id"), subject.get("invoice")):
            environment.publish(partner_event(told))
            return


def _yesterday(environment: LocalEnvironment) -> datetime:
    return environment.cloud.clock.utc() - timedelta(days=1)


def _entered(moment: datetime) -> str:
    """As an agent enters it."""
    return f"{moment:%Y-%m-%dT%H:%MZ}"
