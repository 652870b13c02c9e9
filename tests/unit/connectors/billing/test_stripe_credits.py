"""What Stripe charged and credits take of it, where prices include taxes, or have discounts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import pytest
from interlock.canonical import Money
from interlock.canonical.credits import ChargedInvoice, Credit, CreditLine, Instrument
from interlock.errors import BusinessRuleViolation, RecordNotFound

from local.sandboxes.stripe.parameters import decode
from tests.unit.connectors.billing import made
from tests.unit.connectors.billing.made import Object, seconds
from tests.unit.connectors.billing.stripe_account import StripeAccount

# What the amount of a credited line comes to, net, as Stripe has it.
Counts = Callable[[int], int]


def usd(amount: str) -> Money:
    """Dollars."""
    return Money.of(amount, "USD")


def net(share: str) -> Counts:
    """So much of an amount, a half rounded up."""
    return lambda amount: int((amount * Decimal(share)).quantize(Decimal(1), ROUND_HALF_UP))


INCLUDED = net(str(Decimal(100) / 119))
# 100.00 net, with 19 % tax in its price, and 75.00 net after a discount of a quarter.
WITH_TAX = made.line(
    "il_1", 11900, taxes=[made.tax(1900, 10000, tax_behavior="inclusive")], quantity=1
)
WITH_DISCOUNT = made.line("il_1", 10000, discount_amounts=[made.discount(2500)])


class Crediting(StripeAccount):
    """An account that previews credit notes and issues them, on one invoice."""

    def __init__(self, counts: Counts, *objects: Object) -> None:
        super().__init__(made.customer(), *objects)
        self._counts = counts
        self.issued: list[Object] = []

    def _answer(self, request: httpx.Request) -> Object | None:
        if request.method == "GET" and not request.url.path.endswith("/preview"):
            return super()._answer(request)
        is_preview = request.method == "GET"
        wanted = decode((request.url.query if is_preview else request.content).decode())
        note = self._note(wanted["lines"], wanted.get("metadata", {}))
        if not is_preview:
            self.issued.append(wanted)
            for name in wanted["expand"]:
                self._expand(note, name.split("."))
        return note

    def _note(self, lines: list[Object], metadata: Object) -> Object:
        amounts = [int(line["amount"]) for line in lines]
        credited = sum(map(self._counts, amounts))
        rows = [made.credit_note_line(f"cnli_{n}", each) for n, each in enumerate(amounts)]
        return made.credit_note(
            *rows,
            metadata=metadata,
            total=sum(amounts),
            pre_payment_amount=sum(amounts),
            total_excluding_tax=credited,
        )


def credit(amount: str) -> Credit:
    """So much of the invoice's line."""
    return Credit(
        id="zendesk:4711/1",
        case_id="zendesk:4711",
        account_id="crm:acme",
        invoice_id="stripe:in_1",
        instrument=Instrument.BALANCE,
        lines=(CreditLine(remote_id="il_1", sku="PLATFORM-ANNUAL", amount=usd(amount)),),
        net=usd(amount),
        memo="Service credit",
    )


def sent(account: Crediting) -> list[str]:
    """The amounts of the lines of the only credit note."""
    [issued] = account.issued
    return [line["amount"] for line in issued["lines"]]


class TestAmounts:
    @pytest.mark.parametrize(
        ("line", "counts", "amount", "expected"),
        [
            (WITH_TAX, INCLUDED, "8.40", "1000"),
            (WITH_TAX, INCLUDED, "8.41", "1001"),
            (WITH_TAX, INCLUDED, "100.00", "11900"),
            # Stripe Tax: the amount is without taxes, whatever the price includes.
            (WITH_TAX, net("1"), "8.40", "840"),
            (WITH_DISCOUNT, net("0.75"), "7.50", "1000"),
            (WITH_DISCOUNT, net("1"), "7.50", "750"),
        ],
    )
    def test_what_is_sent_comes_to_the_net_amount(
        self, line: Object, counts: Counts, amount: str, expected: str
    ) -> None:
        account = Crediting(counts, made.invoice(line))

        issued = account.port().issue_credit(credit(amount), idempotency_key="k")

        assert (issued.net, sent(account)) == (usd(amount), [expected])

    def test_nothing_is_issued_that_comes_to_something_else(self) -> None:
        account = Crediting(net("0.5"), made.invoice(WITH_TAX))

        with pytest.raises(BusinessRuleViolation, match=r"makes 5\.00 USD of 8\.40 USD"):
            account.port().issue_credit(credit("8.40"), idempotency_key="k")
        assert account.issued == []

    def test_earlier_credit_notes_count_net(self) -> None:
        tax = made.tax(950, 5000, tax_behavior="inclusive")
        account = Crediting(
            INCLUDED,
            made.invoice(WITH_TAX),
            made.credit_note(made.credit_note_line("cnli_0", 5950, taxes=[tax])),
        )

        with pytest.raises(BusinessRuleViolation, match=r"have left 50\.00 USD"):
            account.port().issue_credit(credit("50.01"), idempotency_key="k")
        assert account.port().issue_credit(credit("50.00"), idempotency_key="k").net == usd("50")


def context(*objects: Object, **how: Any) -> list[ChargedInvoice]:
    """The invoices that are charged for November 2026."""
    account = StripeAccount(made.customer(), *objects, **how)
    found = account.port().get_billing_context(
        "crm:acme",
        customer_remote_id=made.CUSTOMER,
        first_day=date(2026, 11, 1),
        last_day=date(2026, 11, 30),
    )
    assert not found.is_active
    return list(found.invoices)


class TestCharged:
    def test_lines_and_credit_notes_of_several_pages(self) -> None:
        second = made.line("il_2", 500)
        notes = [
            made.credit_note(
                made.credit_note_line(f"cnli_{n}", 100),
                made.credit_note_line(f"cnli_{n}b", 7, invoice_line_item="il_2"),
                id=f"cn_{n}",
                **changes,
            )
            for n, changes in enumerate(
                [
                    {},
                    {"status": "void"},
                    # Countered: to Stripe it is issued still, and can't be credited once more.
                    {"metadata": {"interlock_countered_by": "cbtxn_1"}},
                ]
            )
        ]

        [invoice] = context(made.invoice(WITH_TAX, second), *notes, embedded=1, page=1)

        assert {line.remote_id: (line.amount, line.creditable) for line in invoice.lines} == {
            "il_1": (usd("100.00"), usd("98.00")),
            "il_2": (usd("5.00"), usd("4.86")),
        }

    def test_a_day_on_which_a_period_ends_is_the_next_ones(self) -> None:
        noon = (seconds(2026, 10, 1, 12), seconds(2026, 11, 1, 12), seconds(2026, 12, 1, 12))
        before, then = (
            made.line(f"il_{n}", 100, period={"start": start, "end": end})
            for n, (start, end) in enumerate(itertools.pairwise(noon), start=1)
        )

        [invoice] = context(made.invoice(before, then))

        [line] = invoice.lines
        assert line.remote_id == "il_2"
        assert line.service_period.first_day == date(2026, 11, 1)
        assert line.service_period.last_day == date(2026, 11, 30)

    def test_what_is_charged_for_at_once_or_for_no_product_is_left_out(self) -> None:
        no_product = made.line("il_1", 100, pricing=None)
        by_hand = made.line("il_2", 100, parent=None)
        nothing = made.line("il_3", 0)

        assert context(made.invoice(no_product, by_hand, nothing)) == []

    @pytest.mark.parametrize(
        ("charge", "refundable"),
        [
            ({}, "1200"),
            ({"amount_refunded": 20000}, "1000"),
            # It pays another invoice as well.
            ({"amount": 500000, "amount_captured": 500000}, "1200"),
            ({"disputed": True}, "0"),
            ({"status": "pending"}, "0"),
        ],
    )
    def test_what_can_be_refunded(self, charge: Object, refundable: str) -> None:
        paid = made.invoice(
            made.line("il_1", 120000), status="paid", amount_paid=120000, amount_remaining=0
        )

        [invoice] = context(
            paid,
            made.invoice_payment(),
            made.payment_intent(),
            made.charge(**charge),
            made.balance_transaction("txn_charge", 120000, "charge"),
        )

        assert (invoice.due, invoice.refundable) == (usd("0"), usd(refundable))


def test_no_such_credit_note() -> None:
    with pytest.raises(RecordNotFound):
        StripeAccount(made.customer()).port().get_credit("cn_nowhere")
