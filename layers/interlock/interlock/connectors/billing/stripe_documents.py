"""From Stripe's invoices, credit notes, payments, refunds, disputes and payouts to canonical ones.

Nothing is asked here: what an object needs besides itself is given with it.

- A line's net amount is its `amount` (before discounts) less its discounts, less the credits that
  were granted in advance, less the taxes that its price includes; taxes on top of the price are not
  in it. So net and taxes add up to the document's total but for Stripe's own rounding.
  https://docs.stripe.com/api/invoice-line-item/object and
  https://docs.stripe.com/billing/taxes/tax-rates
- A period's end is the next one's start, although Stripe's reference calls it inclusive:
  https://docs.stripe.com/billing/subscriptions/prorations. So its last day is that of the second
  before.
- A credit note lowers what is due by its `pre_payment_amount`. Of its `post_payment_amount`, what
  its refunds through Stripe and its entry on the customer's balance say was given back there, and
  all the rest outside Stripe. https://docs.stripe.com/api/credit_notes/create

Unconfirmed: whether a shipping cost may be on a document of ours (it is in the total and on no
line), and whether a credit note that was made for an amount alone has a line: either shows as the
document's residue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from interlock.canonical import Money
from interlock.canonical.billing import (
    BalanceKind,
    BalanceLine,
    Collection,
    CreditNote,
    Dispute,
    DisputeOutcome,
    DocumentLine,
    Invoice,
    Payment,
    Payout,
    Refund,
    ServicePeriod,
    TaxAmount,
)
from interlock.connections import Connection
from interlock.connectors.billing.stripe_objects import (
    ACCOUNT_ID,
    COUNTERED_BY,
    ORDER_ID,
    SUBSIDIARY,
    day,
    instant,
    money,
)
from interlock.errors import ContractViolation

Object = dict[str, Any]
# Tax rates by id: https://docs.stripe.com/api/tax_rates/object
Rates = Mapping[str, Object]

# https://docs.stripe.com/api/disputes/object#dispute_object-status: an inquiry ("warning_…") and a
# prevented dispute move no money, and are open as far as the books go.
OUTCOMES = {"won": DisputeOutcome.WON, "lost": DisputeOutcome.LOST}
# https://docs.stripe.com/reports/reporting-categories: any other is for people to look at.
_KINDS = {
    "charge": BalanceKind.PAYMENT,
    "refund": BalanceKind.REFUND,
    "dispute": BalanceKind.DISPUTE,
    "dispute_reversal": BalanceKind.DISPUTE_REVERSAL,
    "fee": BalanceKind.FEE,
    "network_cost": BalanceKind.FEE,
}
# A payout may still be refused before it is under way: https://docs.stripe.com/payouts
_SENT = ("in_transit", "paid")
_CREDIT_GRANT = "credit_balance_transaction"


def rate_ids(rows: Iterable[Object]) -> set[str]:
    """The tax rates that lines of a document name."""
    return {rate for row in rows for tax in row["taxes"] or () if (rate := _rate_id(tax))}


def refunds_of(note: Object) -> list[Object]:
    """What a credit note refunded through Stripe; any other was made outside and recorded there."""
    return [one for one in note["refunds"] if one.get("type") in (None, "refund")]


def is_taken_back(note: Object) -> bool:
    """Whether a credit note is void, or was countered on the customer's balance."""
    return note["status"] == "void" or COUNTERED_BY in (note["metadata"] or {})


def account_id(customer: Object | None) -> str | None:
    """The account that a customer carries; None for a deleted customer, or one made by hand."""
    return ((customer or {}).get("metadata") or {}).get(ACCOUNT_ID)


def invoice(connection: Connection, row: Object, lines: Iterable[Object], rates: Rates) -> Invoice:
    """From an invoice whose customer is expanded, with all its lines.

    A draft, which has no number yet, has its id for one.
    """
    currency = row["currency"]
    final = row["effective_at"] or row["status_transitions"]["finalized_at"] or row["created"]
    next_attempt = row["next_payment_attempt"]
    # The customer's balance is negative where it is the customer's credit, positive where a debt.
    before, after = row["starting_balance"], row["ending_balance"]
    after = before if after is None else after
    return Invoice(
        **_document(connection, row, row),
        number=row["number"] or row["id"],
        issued_on=day(final),
        lines=tuple(_lines(lines, rates, currency)),
        order_id=told(row, ORDER_ID),
        due_on=day(row["due_date"]) if row["due_date"] else None,
        balance_applied=money(min(after, 0) - min(before, 0), currency),
        debt_carried=money(max(after, 0) - max(before, 0), currency),
        collection=Collection(
            status=row["status"],
            paid=money(row["amount_paid"], currency),
            remaining=money(row["amount_remaining"], currency),
            attempts=row["attempt_count"],
            next_attempt_at=instant(next_attempt) if next_attempt else None,
        ),
    )


def credit_note(
    connection: Connection,
    row: Object,
    lines: Iterable[Object],
    credited: list[Object],
    rates: Rates,
) -> CreditNote:
    """From a credit note whose customer, invoice and balance entry are expanded.

    `credited` are the invoice's lines: product and service period are told there alone.
    """
    currency = row["currency"]
    refunds = refunds_of(row)
    refunded = sum(one["amount_refunded"] for one in refunds)
    to_balance = -(row["customer_balance_transaction"] or {"amount": 0})["amount"]
    out_of_band = row["post_payment_amount"] - refunded - to_balance
    if min(refunded, to_balance, out_of_band) < 0:
        raise ContractViolation(f"{row['id']}: more was given back than the credit note says")
    return CreditNote(
        **_document(connection, row, row["invoice"]),
        number=row["number"],
        issued_on=day(row["effective_at"] or row["created"]),
        lines=tuple(_credited_lines(lines, credited, rates, currency)),
        invoice_id=connection.canonical_id(row["invoice"]["id"]),
        reason=row["reason"],
        is_void=is_taken_back(row),
        reduces_due=money(row["pre_payment_amount"], currency),
        to_balance=money(to_balance, currency),
        refunded=money(refunded, currency),
        out_of_band=money(out_of_band, currency),
        refund_ids=tuple(connection.canonical_id(id_of(one["refund"])) for one in refunds),
    )


def _document(connection: Connection, row: Object, billed: Object) -> dict[str, Any]:
    """What an invoice and a credit note have in common; `billed` is the invoice."""
    currency, net = row["currency"], net_total(row)
    return {
        **_identity(connection, row["id"]),
        "customer_id": account_id(row["customer"]),
        "subsidiary": told(billed, SUBSIDIARY),
        "currency": currency.upper(),
        "net": money(net, currency),
        "tax": money(row["total"] - net, currency),
        "total": money(row["total"], currency),
    }


def net_total(row: Object) -> int:
    """What an invoice or a credit note comes to, net of tax."""
    net = row["total_excluding_tax"]
    taxes = row["total_taxes"] or ()
    return row["total"] - sum(tax["amount"] for tax in taxes) if net is None else net


def told(billed: Object, name: str) -> str | None:
    """What the metadata of an invoice's subscription says, as it was then, else its own."""
    details = (billed["parent"] or {}).get("subscription_details") or {}
    return (details.get("metadata") or {}).get(name) or (billed["metadata"] or {}).get(name)


def _lines(rows: Iterable[Object], rates: Rates, currency: str) -> Iterator[DocumentLine]:
    for number, row in enumerate(rows, start=1):
        parent = row["parent"] or {}
        details = parent.get(parent.get("type")) or {}
        yield DocumentLine(
            **_amounts(row, rates, currency),
            number=number,
            sku=sku_of(row),
            quantity=Decimal(row.get("quantity_decimal") or _quantity(row)),
            service_period=_service_period(row["period"]),
            is_proration=details.get("proration", False),
        )


def _credited_lines(
    rows: Iterable[Object], credited: list[Object], rates: Rates, currency: str
) -> Iterator[DocumentLine]:
    invoiced = dict(
        zip((row["id"] for row in credited), _lines(credited, rates, currency), strict=True)
    )
    for number, row in enumerate(rows, start=1):
        line = invoiced.get(row.get("invoice_line_item"))
        yield DocumentLine(
            **_amounts(row, rates, currency),
            number=number,
            sku=line.sku if line else None,
            quantity=_quantity(row),
            service_period=line.service_period if line else None,
            is_proration=bool(line and line.is_proration),
        )


def _amounts(row: Object, rates: Rates, currency: str) -> dict[str, Any]:
    """The parts that lines of invoices and of credit notes have in common."""
    net = net_amount(row)
    return {
        "description": row["description"] or "",
        "amount": money(net, currency),
        "taxes": tuple(_taxes(row["taxes"] or (), net, rates, currency)),
    }


def net_amount(row: Object) -> int:
    """What a line of an invoice or of a credit note comes to, net of tax and of discounts."""
    less = [discount["amount"] for discount in row["discount_amounts"] or ()]
    less += [
        credit["amount"]
        for credit in row["pretax_credit_amounts"] or ()
        if credit["type"] == _CREDIT_GRANT
    ]
    taxes = row["taxes"] or ()
    less += [tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive"]
    return row["amount"] - sum(less)


def _taxes(taxes: Iterable[Object], net: int, rates: Rates, currency: str) -> Iterator[TaxAmount]:
    """The taxes of a line; one of no rate and no amount says no more than that there is none."""
    for tax in taxes:
        rate_id = _rate_id(tax)
        if rate_id is None and not tax["amount"]:
            continue
        if rate_id is None:
            raise ContractViolation("a tax of an amount, but of no rate")
        rate = rates[rate_id]
        effective = rate.get("effective_percentage")
        percent = rate["percentage"] if effective is None else effective
        taxable = net if tax["taxable_amount"] is None else tax["taxable_amount"]
        yield TaxAmount(
            name=rate["display_name"],
            # JSON's number: its shortest spelling is what Stripe has.
            percent=Decimal(str(percent)),
            taxable=money(taxable, currency),
            amount=money(tax["amount"], currency),
        )


def _rate_id(tax: Object) -> str | None:
    details = tax.get("tax_rate_details")
    return details["tax_rate"] if details else None


def sku_of(row: Object) -> str | None:
    """The product, whose id is our SKU."""
    details = (row["pricing"] or {}).get("price_details")
    return details["product"] if details else None


def _quantity(row: Object) -> int:
    """A line of a lump sum has none."""
    return 1 if row["quantity"] is None else row["quantity"]


def _service_period(period: Object) -> ServicePeriod | None:
    """None for what is charged for at once."""
    start, end = period["start"], period["end"]
    if start == end:
        return None
    return ServicePeriod(first_day=day(start), last_day=day(end - 1))


def payment(connection: Connection, row: Object, charge: Object | None) -> Payment:
    """From an invoice payment whose invoice, with its customer, is expanded.

    `charge` is its charge, with its payment intent and balance transaction expanded. Its amount is
    the payment's, so that an overpayment, which Stripe makes the customer's credit, is in the books
    as what was received. Without a charge, what the invoice payment says is all there is.
    """
    paid_at = row["status_transitions"]["paid_at"] or row["created"]
    if charge is None:
        paid = row["amount_paid"]
        amount = money(row["amount_requested"] if paid is None else paid, row["currency"])
        # Only what was paid outside Stripe is complete without a charge.
        has_succeeded = row["payment"]["type"] == "payment_record"
        settled = None
    else:
        amount = money(charge["amount_captured"], charge["currency"])
        has_succeeded = charge["status"] == "succeeded" and _intent_succeeded(charge)
        settled = _moved(charge["balance_transaction"])
    return Payment(
        **_identity(connection, charge["id"] if charge else row["id"]),
        invoice_id=connection.canonical_id(row["invoice"]["id"]),
        customer_id=account_id(row["invoice"].get("customer")),
        amount=amount,
        paid_at=instant(paid_at),
        is_confirmed=row["status"] == "paid" and has_succeeded,
        settled=settled,
    )


def _intent_succeeded(charge: Object) -> bool:
    intent = charge["payment_intent"]
    return intent is None or intent["status"] == "succeeded"


def refund(
    connection: Connection, row: Object, *, invoice_id: str | None, credit_note_id: str | None
) -> Refund:
    """From a refund whose charge, with its customer, and balance transaction are expanded.

    Nothing has left the balance for good before it has succeeded.
    """
    is_confirmed = row["status"] == "succeeded"
    left = _moved(row["balance_transaction"]) if is_confirmed else None
    return Refund(
        **_identity(connection, row["id"]),
        payment_id=connection.canonical_id(row["charge"]["id"]),
        invoice_id=invoice_id,
        customer_id=account_id(row["charge"]["customer"]),
        credit_note_id=credit_note_id,
        amount=money(row["amount"], row["currency"]),
        refunded_at=instant(row["created"]),
        is_confirmed=is_confirmed,
        settled=left.times(-1) if left else money(0, row["currency"]),
    )


def dispute(
    connection: Connection, row: Object, *, invoice_id: str | None, closed_at: datetime | None
) -> Dispute:
    """From a dispute whose charge, with its customer, is expanded.

    The dispute's fee is in its balance transactions too, but not in their amounts.
    """
    moved = [_moved(entry) for entry in row["balance_transactions"]]
    currency = moved[0].currency if moved else row["currency"].upper()
    withdrawn = Money.total((amount for amount in moved if amount.amount < 0), currency)
    reinstated = Money.total((amount for amount in moved if amount.amount > 0), currency)
    return Dispute(
        **_identity(connection, row["id"]),
        payment_id=connection.canonical_id(row["charge"]["id"]),
        invoice_id=invoice_id,
        customer_id=account_id(row["charge"]["customer"]),
        outcome=OUTCOMES.get(row["status"], DisputeOutcome.OPEN),
        opened_at=instant(row["created"]),
        closed_at=closed_at,
        withdrawn=withdrawn.times(-1),
        reinstated=reinstated,
    )


def payout(connection: Connection, row: Object) -> Payout:
    """From a payout. Stripe tells only of its automatic payouts what they consist of.

    https://docs.stripe.com/payouts/reconciliation
    """
    is_complete = row["reconciliation_status"] == "completed"
    return Payout(
        **_identity(connection, row["id"]),
        amount=money(row["amount"], row["currency"]),
        arrives_on=day(row["arrival_date"]),
        is_settled=is_complete and row["status"] in _SENT,
    )


def balance_line(connection: Connection, row: Object) -> BalanceLine:
    """From a balance transaction."""
    kind = _KINDS.get(row["reporting_category"], BalanceKind.OTHER)
    source = None if kind is BalanceKind.FEE else row["source"]
    return BalanceLine(
        id=connection.canonical_id(row["id"]),
        kind=kind,
        record_id=connection.canonical_id(id_of(source)) if source else None,
        gross=money(row["amount"], row["currency"]),
        fee=money(row["fee"], row["currency"]),
    )


def id_of(reference: str | Object) -> str:
    """The id of an object that may be expanded or not."""
    return reference if isinstance(reference, str) else reference["id"]


def _moved(entry: Object | None) -> Money | None:
    """What a balance transaction moved, before fees; None where there is none."""
    return money(entry["amount"], entry["currency"]) if entry else None


def _identity(connection: Connection, remote_id: str) -> dict[str, Any]:
    return {
        "id": connection.canonical_id(remote_id),
        "references": {connection.name: remote_id},
    }
