"""What people do at Stripe: customers pay and upgrade, finance refunds and credits."""

from __future__ import annotations

from datetime import datetime

from local.quarter.plan import Happening, What
from local.sandboxes.stripe import (
    StripeSandbox,
    credit_notes,
    disputes,
    invoice_api,
    subscriptions,
    taxes,
)
from local.sandboxes.stripe.account import StripeObject

ORDER = "interlock_order_id"
SEAT = "SEAT-ANNUAL"
MORE_SEATS = 10
REFUNDED_SEATS = 2
# Of the seats' price: a twentieth.
CREDITED_PART = 20


class Trade:
    """The customers of a Stripe account, each known by the order that it came from."""

    def __init__(self, stripe: StripeSandbox) -> None:
        self._stripe = stripe
        self._account = stripe.account

    def happens(self, happening: Happening, order: str, at: datetime) -> None:
        """Let it happen. What is charged from a moment on is charged from exactly `at` on."""
        subscription = self._subscription(order)
        match happening.what:
            case What.PAY:
                self._pay(subscription, happening.card)
            case What.UPGRADE:
                self._upgrade(subscription, happening.card, at)
            case What.REPLACE_CARD:
                self._update(subscription, default_payment_method=happening.card)
            case What.REFUND:
                seats = self._first_seats(subscription)
                price = seats["amount"] // seats["quantity"]
                self._credit(seats, price * REFUNDED_SEATS, "refund_amount")
            case What.CREDIT:
                seats = self._first_seats(subscription)
                self._credit(seats, seats["amount"] // CREDITED_PART, "credit_amount")
            case What.LOSE_DISPUTE:
                dispute = self._dispute(subscription)
                self._stripe.by_hand(lambda account: disputes.decide(account, dispute, "lost"))

    def _subscription(self, order: str) -> StripeObject:
        found = self._account.subscriptions.values()
        return next(each for each in found if each["metadata"].get(ORDER) == order)

    def _invoices(self, subscription: StripeObject) -> list[StripeObject]:
        """The customer's, oldest first."""
        found = self._account.invoices.values()
        return [each for each in found if each["customer"] == subscription["customer"]]

    def _dispute(self, subscription: StripeObject) -> StripeObject:
        charges = self._account.charges
        return next(
            each
            for each in self._account.disputes.values()
            if charges[each["charge"]]["customer"] == subscription["customer"]
        )

    def _pay(self, subscription: StripeObject, card: str | None) -> None:
        """By the link on each invoice that is open."""
        for invoice in self._invoices(subscription):
            if invoice["status"] == "open":
                self._stripe.do(invoice_api.pay, invoice["id"], payment_method=card)

    def _upgrade(self, subscription: StripeObject, card: str | None, at: datetime) -> None:
        items = subscription["items"]["data"]
        seat = next(item for item in items if item["price"]["product"] == SEAT)
        charged = {"collection_method": "charge_automatically", "default_payment_method": card}
        self._update(
            subscription,
            items=[{"id": seat["id"], "quantity": seat["quantity"] + MORE_SEATS}],
            proration_behavior="always_invoice",
            proration_date=int(at.timestamp()),
            **(charged if card else {}),
        )

    def _update(self, subscription: StripeObject, **parameters: object) -> None:
        self._stripe.do(subscriptions.update, subscription["id"], **parameters)

    def _first_seats(self, subscription: StripeObject) -> StripeObject:
        """The line of the first invoice that charges for the seats."""
        lines = self._account.lines[self._invoices(subscription)[0]["id"]]
        return next(line for line in lines if line["pricing"]["price_details"]["product"] == SEAT)

    def _credit(self, line: StripeObject, amount: int, goes_to: str) -> None:
        """So much of a line, and its tax, by a credit note."""
        rates = [
            self._account.tax_rates[tax["tax_rate_details"]["tax_rate"]] for tax in line["taxes"]
        ]
        tax = sum(each["amount"] for each in taxes.taxes_on(amount, rates, line["currency"]))
        credited = {"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": amount}
        self._stripe.do(
            credit_notes.create,
            invoice=line["invoice"],
            lines=[credited],
            **{goes_to: amount + tax},
        )
