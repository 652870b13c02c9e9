"""Driving subscription billing from outside: documents are made at Stripe, runs follow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from interlock.connectors.billing import stripe_events
from interlock.crossref import reference
from interlock.events import Event

from local.environment import LocalEnvironment
from local.sandboxes.sandbox import FaultKind
from local.sandboxes.stripe import (
    credit_notes,
    customers,
    disputes,
    invoice_api,
    invoice_items,
    payment_intents,
    schedules,
)
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.errors import ApiError
from local.sandboxes.stripe.events import partner_event
from tests.workflows.erp import Erp
from tests.workflows.runs import Machine, Run

DAY = 24 * 3600
YEAR = 365 * DAY
LONG = 900
"""Seconds that a vendor asks to wait: time for something to happen in the middle of a run."""
ACCOUNT_ID = "interlock_account_id"
SUBSIDIARY = "interlock_subsidiary"
# By subsidiary: what its customers are invoiced in, and where they are.
HOMES = {
    "TESSALINE-US": ("usd", {"country": "US", "state": "OR"}),
    "TESSALINE-DE": ("eur", {"country": "DE"}),
    "TESSALINE-JP": ("jpy", {"country": "JP"}),
}
US, DE, JP = HOMES
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Customer:
    """A customer of every system: its account in the CRM, and its ids at Stripe and in the ERP."""

    account: str
    stripe: str
    erp: str
    subsidiary: str
    currency: str


class Billing(Machine):
    """Subscription billing: it starts as in production, by events of Stripe."""

    resource = "SubscriptionBilling"

    def __init__(self, environment: LocalEnvironment) -> None:
        super().__init__(environment)
        self.stripe = environment.stripe
        self.events: list[StripeObject] = []
        self._held_back: Callable[[StripeObject], bool] | None = None
        self.stripe.account.on_event = self._on_event

    def _on_event(self, event: StripeObject) -> None:
        self.events.append(event)
        if self._held_back is None or not self._held_back(event):
            self.deliver(event)

    def deliver(self, event: StripeObject) -> None:
        """Stripe sends an event, perhaps again."""
        self.environment.publish(partner_event(event))

    def canonical(self, event: StripeObject) -> Event:
        """The canonical event that one of Stripe's becomes."""
        told = stripe_events.translate_object(event, connection="stripe")
        assert told
        return told

    @contextmanager
    def held_back(self, *types: str) -> Iterator[list[StripeObject]]:
        """What Stripe tells meanwhile, of some types or of all, and does not arrive."""
        held: list[StripeObject] = []

        def hold(event: StripeObject) -> bool:
            if types and event["type"] not in types:
                return False
            held.append(event)
            return True

        self._held_back = hold
        try:
            yield held
        finally:
            self._held_back = None

    def clear(self) -> None:
        """Nothing happens any more of what an earlier test began."""
        self.events.clear()

        def forget(account: Account) -> None:
            account.agenda.clear()
            account.balance.clear()
            account.events.clear()

        self.stripe.by_hand(forget)
        for run in self.running():
            run.stop()

    def finalized_event(self, invoice: StripeObject) -> StripeObject:
        """The event that told that an invoice became final."""
        return next(
            event
            for event in reversed(self.events)
            if event["type"] == "invoice.finalized"
            and event["data"]["object"]["id"] == invoice["id"]
        )

    def told(self, type: str) -> StripeObject:
        """The latest object that an event of this type was about."""
        return next(e["data"]["object"] for e in reversed(self.events) if e["type"] == type)

    def customer(self, erp: Erp, subsidiary: str = US, account: str | None = None) -> Customer:
        """Enter a customer in billing and ERP, known to be the same account.

        Unless an account is given, the CRM does not know it.
        """
        currency, address = HOMES[subsidiary]
        number = next(_numbers)
        name = f"Billed Customer {number}"
        account = account or f"salesforce:001Hs0000Billed{number:04}"
        made = self.stripe.do(
            customers.create,
            name=name,
            email=f"accounts@billed-{number}.example",
            address=address,
            metadata={ACCOUNT_ID: account},
        )
        party = erp.enter_customer(name)
        for system, remote_id in (("stripe", made["id"]), ("tryton", party)):
            self.cross_reference(reference("customer", account), system, remote_id)
        return Customer(account, made["id"], party, subsidiary, currency)

    def cross_reference(self, canonical_id: str, system: str, remote_id: str) -> None:
        """Somebody makes known what a record is in a system."""
        row = {
            "canonical_id": canonical_id,
            "system": system,
            "remote_id": remote_id,
            "remote": f"{system}#{remote_id}",
        }
        self._put_cross_reference(row)

    def merge(self, account: str, into: str) -> None:
        """Two accounts are found to be one."""
        row = {"canonical_id": reference("customer", account), "system": "ALIAS"}
        self._put_cross_reference(row | {"of": reference("customer", into)})

    def _put_cross_reference(self, row: dict[str, str]) -> None:
        self.cloud.client("dynamodb").put_item(
            TableName=self.cloud.resources["CrossReferencesTable"],
            Item={name: {"S": value} for name, value in row.items()},
        )

    def run(self, subject: str, what: str) -> Run:
        """The run of something that happened to a record: `run("in_1", "invoice-finalized")`."""
        return Run(self, f"{subject}-{what}")

    def draft(
        self, customer: Customer, *amounts: int, service: int = DAY, **changes: Any
    ) -> StripeObject:
        """An invoice of a line for each amount, in minor units, not final yet.

        `service` is for how many seconds each is charged: what takes more than a day is deferred.
        `changes` are fields of the invoice, without those that are None.
        """
        invoice = self.stripe.do(
            invoice_api.create,
            **_without_none(
                {
                    "customer": customer.stripe,
                    "currency": customer.currency,
                    "collection_method": "send_invoice",
                    "days_until_due": 30,
                    "automatic_tax": {"enabled": True},
                    "metadata": {SUBSIDIARY: customer.subsidiary},
                }
                | changes
            ),
        )
        now = self.stripe.account.now()
        for amount in amounts:
            self.stripe.do(
                invoice_items.create,
                customer=customer.stripe,
                invoice=invoice["id"],
                price_data={
                    "currency": invoice["currency"],
                    "product": "PLATFORM-ANNUAL",
                    "unit_amount": amount,
                    "tax_behavior": "exclusive",
                },
                period={"start": now, "end": now + service},
            )
        return invoice

    def finalize(self, invoice: StripeObject) -> StripeObject:
        """The invoice becomes final."""
        return self.stripe.do(invoice_api.finalize, invoice["id"])

    def invoice(
        self, customer: Customer, *amounts: int, **changes: Any
    ) -> tuple[StripeObject, Run]:
        """A final invoice, and the run that posts it."""
        invoice = self.finalize(self.draft(customer, *amounts, **changes))
        return invoice, self.run(invoice["id"], "invoice-finalized")

    def posted(self, customer: Customer, *amounts: int, **changes: Any) -> StripeObject:
        """A final invoice that is in the books."""
        invoice, run = self.invoice(customer, *amounts, **changes)
        assert run.wait_for_end()["status"] == "posted"
        return invoice

    def pay(self, invoice: StripeObject, card: str = "pm_card_visa") -> Run:
        """The customer pays it by card: the run that books the payment."""
        self.stripe.do(invoice_api.pay, invoice["id"], payment_method=card)
        return self.run(self.told("invoice_payment.paid")["id"], "payment-succeeded")

    def declined(self, invoice: StripeObject) -> None:
        """The customer's card is declined."""
        with pytest.raises(ApiError, match="declined"):
            self.pay(invoice, "pm_card_chargeCustomerFail")

    def pay_part(self, customer: Customer, invoice: StripeObject, amount: int) -> Run:
        """The customer pays a part of it by card: the run that books the payment."""
        intent = self.stripe.do(
            payment_intents.create,
            customer=customer.stripe,
            currency=invoice["currency"],
            amount=amount,
            payment_method="pm_card_visa",
            confirm=True,
        )
        self.stripe.do(invoice_api.attach_payment, invoice["id"], payment_intent=intent["id"])
        return self.run(self.told("invoice_payment.paid")["id"], "payment-succeeded")

    def credit(self, invoice: StripeObject, amount: int, **how: Any) -> tuple[StripeObject, Run]:
        """A credit note on so much of its first line, before tax, and the run that posts it."""
        line = self.stripe.account.lines[invoice["id"]][0]["id"]
        lines = [{"type": "invoice_line_item", "invoice_line_item": line, "amount": amount}]
        note = self.stripe.do(credit_notes.create, invoice=invoice["id"], lines=lines, **how)
        return note, self.run(note["id"], "credit-note-issued")

    def dispute(self, charge: str) -> tuple[StripeObject, Run]:
        """The customer's bank takes a payment back, and the run that books it."""
        dispute = self.stripe.by_hand(
            lambda account: disputes.open_on(account, account.charges[charge])
        )
        return dispute, self.run(dispute["id"], "dispute-opened")

    def decide(self, dispute: StripeObject, outcome: str) -> Run:
        """The bank decides, and the run that books it."""
        self.stripe.by_hand(lambda account: disputes.decide(account, dispute, outcome))
        return self.run(dispute["id"], "dispute-closed")

    def pay_out(self) -> tuple[StripeObject, Run]:
        """Time passes until what is in the balance is paid out, and the run that books it."""
        payouts = self.stripe.account.payouts
        before = len(payouts)
        for _ in range(10):
            self.cloud.clock.advance(DAY / 2)
            self.stripe.advance()
            if len(payouts) > before and self._is_told(list(payouts)[-1]):
                break
        payout = list(payouts.values())[-1]
        return payout, self.run(payout["id"], "payout-settled")

    def _is_told(self, payout: str) -> bool:
        return any(
            event["type"] == "payout.reconciliation_completed"
            and event["data"]["object"]["id"] == payout
            for event in self.events
        )

    def charge_of(self, run: Run) -> str:
        """The charge of the payment that a run books."""
        payment = self.stripe.account.invoice_payments[run.name.split("-")[0]]
        intent = self.stripe.account.payment_intents[payment["payment"]["payment_intent"]]
        return intent["latest_charge"]

    def paused_at(self, step: str, sandbox: Any, path: str, begin: Callable[[], Run]) -> Run:
        """The run that begins so, which a vendor has asked to wait before this step."""
        sandbox.fail(FaultKind.THROTTLE, path=path, times=None, retry_after=LONG)
        run = begin()
        run.wait_for_back_off(step)
        sandbox.heal()
        return run

    def metered(self, customer: Customer) -> StripeObject:
        """A subscription that charges the customer's usage by the month, 2 minor units each.

        Nothing is told of its first invoice.
        """
        with self.held_back():
            subscription = self.stripe.charge_usage(
                customer.stripe,
                "api-requests",
                currency=customer.currency,
                metadata={SUBSIDIARY: customer.subsidiary},
            )
            self.cloud.clock.advance(DAY / 12)
            self.stripe.advance()
        return subscription

    def subscribe(
        self,
        customer: Customer,
        *,
        seats: int,
        price: int,
        start: int | str = "now",
        interval: str = "month",
    ) -> StripeObject:
        """Seats of a year, charged at the beginning of each interval, by invoices that are sent."""
        schedule = self.stripe.do(
            schedules.create,
            customer=customer.stripe,
            start_date=start,
            default_settings={
                "automatic_tax": {"enabled": True},
                "billing_cycle_anchor": "phase_start",
                "collection_method": "send_invoice",
                "invoice_settings": {"days_until_due": 30},
            },
            phases=[
                {
                    "duration": {"interval": "year", "interval_count": 1},
                    "items": [
                        {
                            "price_data": {
                                "currency": customer.currency,
                                "product": "SEAT-ANNUAL",
                                "recurring": {"interval": interval},
                                "tax_behavior": "exclusive",
                                "unit_amount": price,
                            },
                            "quantity": seats,
                        }
                    ],
                    "metadata": {SUBSIDIARY: customer.subsidiary},
                }
            ],
        )
        account = self.stripe.account
        return account.subscriptions[account.schedules[schedule["id"]]["subscription"]]

    def use(self, id: str, customer: Customer, **changes: Any) -> Run:
        """A product tells what a customer used: the run that submits it."""
        usage = {"id": f"product:{id}", "customer_id": customer.account, "meter": "api-requests"}
        usage |= {"quantity": "125.5", "occurred_at": self.cloud.clock.utc().isoformat()}
        event = Event(
            id=f"product:{id}",
            type="usage.recorded",
            source="product",
            subject=f"product:{id}",
            occurred_at=self.cloud.clock.utc(),
            correlation_id=f"{id}-usage-recorded",
            data=usage | changes,
        )
        self.announce(event)
        return self.run(id, "usage-recorded")

    def announce(self, event: Event) -> None:
        """Put a canonical event onto the integration bus."""
        self.environment.announce(event)

    @contextmanager
    def changed(self, record: StripeObject, **fields: Any) -> Iterator[None]:
        """An object at Stripe is not as it should be, until it is corrected."""
        before = {name: record[name] for name in fields}
        record.update(fields)
        try:
            yield
        finally:
            record.update(before)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
