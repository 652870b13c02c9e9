"""Which journal entry are a refund, a dispute and a payout?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from interlock.canonical.billing import DisputeOutcome
from interlock.canonical.books import Entry, LedgerRole
from interlock.errors import BusinessRuleViolation
from interlock.rules import entries
from interlock.rules.bookable import day, predecessor, query
from interlock.rules.payout import Matching
from interlock.rules.posting_date import PostingPolicy
from interlock.rules.preparation import Prepared, prepare

from tests.unit import finance_samples as samples
from tests.unit.finance_samples import usd
from tests.unit.rules.test_posting_date import FILE

US, ON = "TESSALINE-US", date(2026, 11, 9)
CLOSED_AT = datetime(2026, 12, 20, 8, 0, tzinfo=UTC)
MATCHING = Matching(subsidiary=US, gross=usd("38970.00"), fees=usd("1130.43"), lines=1)


def booked(entry: Entry) -> dict[str, str]:
    """Debits and credits by their purpose; they are equal."""
    assert sum(line.amount.amount for line in entry.lines) == 0
    return {line.role: str(line.amount.amount) for line in entry.lines}


def test_a_refund_is_what_the_credit_memo_promised() -> None:
    entry = entries.of_refund(samples.refund(), US, ON)

    assert booked(entry) == {LedgerRole.RECEIVABLE: "3897.00", LedgerRole.CLEARING: "-3897.00"}
    assert (entry.settles, entry.customer_id) == (samples.CREDIT_NOTE, samples.ACCOUNT)


def test_a_refund_without_a_credit_note_is_for_finance() -> None:
    with pytest.raises(BusinessRuleViolation, match="has no credit note"):
        entries.of_refund(samples.refund(credit_note_id=None), US, ON)


def test_a_customers_credit_pays_an_invoice() -> None:
    credit = entries.of_customer_credit(samples.invoice(balance_applied=usd("12.50")))

    assert (credit.id, credit.amount) == (samples.INVOICE, usd("12.50"))


@pytest.mark.parametrize(
    ("debt", "problem"),
    [
        ("0.30", "0.30 USD of it are put off"),
        ("-0.30", "with it 0.30 USD are due that were put off"),
    ],
)
def test_a_debt_on_the_customers_balance_is_for_finance(debt: str, problem: str) -> None:
    invoice = samples.invoice(balance_applied=usd("12.50"), debt_carried=usd(debt))

    with pytest.raises(BusinessRuleViolation, match=f"{problem}.*12.50 USD of credit pay it"):
        entries.of_customer_credit(invoice)


def test_a_dispute_takes_the_money_back_for_the_time_being() -> None:
    entry = entries.of_dispute(samples.dispute(), US, ON)

    assert booked(entry) == {LedgerRole.DISPUTED: "38970.00", LedgerRole.CLEARING: "-38970.00"}


@pytest.mark.parametrize(
    ("outcome", "role"),
    [(DisputeOutcome.WON, LedgerRole.CLEARING), (DisputeOutcome.LOST, LedgerRole.DISPUTE_LOSSES)],
)
def test_a_dispute_is_decided(outcome: DisputeOutcome, role: LedgerRole) -> None:
    reinstated = usd("38970.00") if outcome == DisputeOutcome.WON else usd("0")
    dispute = samples.dispute(outcome=outcome, closed_at=CLOSED_AT, reinstated=reinstated)

    entry = entries.of_decision(dispute, US, ON)

    assert booked(entry) == {role: "38970.00", LedgerRole.DISPUTED: "-38970.00"}
    assert entry.id == "stripe:du_1/closed"


def test_a_payout_reaches_the_bank_less_fees() -> None:
    entry = entries.of_payout(samples.payout(), MATCHING, ON)

    assert booked(entry) == {
        LedgerRole.BANK: "37839.57",
        LedgerRole.FEES: "1130.43",
        LedgerRole.CLEARING: "-38970.00",
    }


@pytest.mark.parametrize(
    ("matching", "told"),
    [
        ({"gross": usd("38970.01")}, "its lines add up to 37,839.58 USD, it is 37,839.57 USD"),
        ({"differences": ("payment stripe:ch_1: one thing here, another there",)}, "one thing"),
        ({"untold": 5}, "5 more of its lines differ"),
        ({"subsidiary": None}, "none of its lines is in a subsidiary's books"),
    ],
)
def test_a_payout_that_does_not_agree_is_a_break(matching: dict[str, Any], told: str) -> None:
    with pytest.raises(BusinessRuleViolation, match=told) as violation:
        entries.of_payout(samples.payout(), MATCHING.model_copy(update=matching), ON)

    assert violation.value.record == "stripe:po_1"


def prepared(document: Any, event: str, **given: Any) -> Prepared:
    policy = PostingPolicy.load(FILE)
    options = {"policy": policy, "decided": None, "matching": None} | given
    return prepare(document, event, samples.context(), **options)


def test_each_document_is_prepared_in_its_way() -> None:
    dispute = samples.dispute(outcome=DisputeOutcome.LOST, closed_at=CLOSED_AT)

    assert prepared(samples.invoice(), "invoice.finalized").posting.number == "ACME-0001"
    assert prepared(samples.credit_note(), "credit_note.issued").posting.credits
    assert prepared(samples.payment(), "payment.succeeded").entry is None
    assert prepared(samples.refund(), "refund.issued").entry.description == "Refund"
    assert prepared(dispute, "dispute.opened").entry.posting_date == samples.MOMENT.date()
    assert prepared(dispute, "dispute.closed").entry.posting_date == CLOSED_AT.date()
    assert prepared(samples.payout(), "payout.settled", matching=MATCHING).entry.id == "stripe:po_1"


def test_an_inquiry_moves_no_money() -> None:
    assert prepared(samples.dispute(withdrawn=usd("0")), "dispute.opened").entry is None


def test_a_team_may_decide_on_the_day() -> None:
    decided = prepared(samples.invoice(), "invoice.finalized", decided=ON)

    assert decided.posting_date == decided.posting.posting_date == ON


def test_a_payment_elsewhere_is_entered_by_people() -> None:
    with pytest.raises(BusinessRuleViolation, match="paid outside the billing system"):
        entries.check_received(samples.payment(settled=None))


@pytest.mark.parametrize(
    ("document", "before"),
    [
        (samples.invoice(), None),
        (samples.payment(), ("invoice", samples.INVOICE)),
        (samples.refund(), ("payment", samples.PAYMENT)),
        (samples.dispute(), ("payment", samples.PAYMENT)),
        (samples.payout(), None),
    ],
)
def test_what_a_document_builds_on(document: Any, before: tuple[str, str] | None) -> None:
    assert predecessor(document) == before


def test_what_the_erp_is_asked() -> None:
    of_invoice = query(samples.invoice(), "invoice.finalized", None)
    of_payment = query(samples.payment(), "payment.succeeded", US)

    assert (of_invoice.skus, of_invoice.subsidiary) == (("PLATFORM-ANNUAL",), US)
    assert [str(percent) for percent in of_invoice.tax_percents] == ["8.25"]
    assert (of_payment.skus, of_payment.subsidiary) == ((), US)
    assert of_payment.posting_date == day(samples.payment(), "") == samples.MOMENT.date()
