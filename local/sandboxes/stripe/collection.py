"""How invoices are finalised and paid.

An invoice that advances by itself is finalised an hour after it was made, and charged then if it is
collected automatically. A payment that fails is tried again on fixed days; after the last its
invoice stays open and the subscription past due, one of the choices that Stripe's settings have.

- https://docs.stripe.com/invoicing/integration/automatic-advancement-collection
- https://docs.stripe.com/billing/revenue-recovery/smart-retries
"""

from __future__ import annotations

from collections.abc import Iterable

from local.sandboxes.stripe import events, invoice_lines, invoice_payments, invoices
from local.sandboxes.stripe import payment_intents as intents
from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.agenda import DAY
from local.sandboxes.stripe.errors import ApiError

# How many days after a failed attempt the next one is made.
RETRIES = (3, 5, 7)
CHARGED = "charge_automatically"


def bill(
    account: Account,
    subscription: StripeObject,
    lines: Iterable[StripeObject],
    reason: str,
    *,
    at_once: bool = False,
    period_start: int | None = None,
) -> StripeObject:
    """The invoice of a subscription, with what waits for it; `at_once` finalises it now."""
    customer = account.customers[subscription["customer"]]
    waiting = invoice_lines.pending(account, customer["id"], subscription["id"])
    invoice = invoices.draft(
        account,
        customer,
        subscription["currency"],
        [*(invoice_lines.item_line(account, item) for item in waiting), *lines],
        subscription=subscription,
        auto_advance=True,
        billing_reason=reason,
        period_start=account.now() if period_start is None else period_start,
    )
    take(account, invoice, waiting)
    subscription["latest_invoice"] = invoice["id"]
    if at_once:
        finalize(account, invoice)
    else:
        schedule(account, invoice)
    return invoice


def take(account: Account, invoice: StripeObject, items: Iterable[StripeObject]) -> None:
    """These invoice items are on an invoice and wait no longer."""
    for item in items:
        item["invoice"] = invoice["id"]
        account.pending[item["customer"]].remove(item)


def schedule(account: Account, invoice: StripeObject) -> None:
    """Finalise it when its time has come."""

    def advance() -> None:
        if invoice["status"] == "draft" and invoice["auto_advance"]:
            finalize(account, invoice)

    account.agenda.at(invoice["automatically_finalizes_at"], advance)


def finalize(account: Account, invoice: StripeObject) -> None:
    """Make it open, and begin to collect it."""
    invoices.finalize(account, invoice)
    if invoices.settle(account, invoice):
        return
    invoice_payments.add_default(account, invoice)
    if invoice["collection_method"] == CHARGED and invoice["auto_advance"]:
        charge(account, invoice, automatic=True)


def charge(
    account: Account,
    invoice: StripeObject,
    method: StripeObject | None = None,
    *,
    automatic: bool = False,
) -> bool:
    """Charge what remains to a card, or to the one it is collected from; says whether it paid.

    The first attempt counts whoever makes it, after that only the automatic ones.
    """
    payment = invoice_payments.default_of(account, invoice)
    assert payment is not None
    method = method or _method(account, invoice)
    invoice["attempted"] = True
    first = not invoice["attempt_count"]
    if automatic or first:
        invoice["attempt_count"] += 1
    intent = invoice_payments.intent_of(account, payment)
    if method and intents.confirm(account, intent, method):
        invoice_payments.pay(account, invoice, payment)
        close(account, invoice)
        return True
    if automatic or first:
        _plan_retry(account, invoice)
    events.emit(account, "invoice.payment_failed", invoice)
    events.emit(account, "invoice.updated", invoice)
    _stand(account, invoice, "past_due")
    return False


def close(account: Account, invoice: StripeObject) -> None:
    """After a payment: the invoice is paid, or less remains."""
    if not invoices.settle(account, invoice):
        events.emit(account, "invoice.updated", invoice)
        return
    events.emit(account, "invoice.payment_succeeded", invoice)
    _stand(account, invoice, "active")


def attach(account: Account, invoice: StripeObject, intent: StripeObject) -> None:
    """Pay a part of it, or all, by a payment that was made by itself. Raises ApiError."""
    if intent["status"] != "succeeded":
        raise ApiError(400, "This sandbox attaches only payments that have succeeded.")
    if (intent["currency"], intent["customer"]) != (invoice["currency"], invoice["customer"]):
        raise ApiError(400, "The payment is of another customer or in another currency.")
    if intent["amount_received"] > invoice["amount_remaining"]:
        raise ApiError(400, "The payment is more than what remains of the invoice.")
    if intents.pays_invoice(account, intent["id"]):
        raise ApiError(400, "The payment is attached to an invoice already.")
    invoice_payments.attach(account, invoice, intent)
    close(account, invoice)


def pay_outside(account: Account, invoice: StripeObject) -> None:
    """Somebody says that it was paid outside Stripe."""
    invoice_payments.pay_outside(account, invoice)
    close(account, invoice)


def _method(account: Account, invoice: StripeObject) -> StripeObject | None:
    """What to charge: the invoice's own, else the subscription's, else the customer's."""
    customer = account.customers[invoice["customer"]]
    owners = (invoice, _subscription(account, invoice), customer.get("invoice_settings"))
    ids = [owner["default_payment_method"] for owner in owners if owner]
    return next((account.payment_methods[id] for id in ids if id), None)


def _subscription(account: Account, invoice: StripeObject) -> StripeObject | None:
    return account.subscriptions.get(invoices.subscription_of(invoice) or "")


def _plan_retry(account: Account, invoice: StripeObject) -> None:
    done = invoice["attempt_count"] - 1
    invoice["next_payment_attempt"] = None
    if not invoice["auto_advance"] or invoice["collection_method"] != CHARGED:
        return
    if done < len(RETRIES):
        moment = account.now() + RETRIES[done] * DAY
        invoice["next_payment_attempt"] = moment
        account.agenda.at(moment, lambda: _retry(account, invoice, moment))


def _retry(account: Account, invoice: StripeObject, planned: int) -> None:
    if invoice["status"] == "open" and invoice["next_payment_attempt"] == planned:
        charge(account, invoice, automatic=True)


def _stand(account: Account, invoice: StripeObject, status: str) -> None:
    """The subscription is past due while its latest invoice could not be charged."""
    subscription = _subscription(account, invoice)
    if (
        subscription
        and subscription["latest_invoice"] == invoice["id"]
        and subscription["status"] in ("active", "past_due")
        and subscription["status"] != status
    ):
        subscription["status"] = status
        events.emit(account, "customer.subscription.updated", subscription)
