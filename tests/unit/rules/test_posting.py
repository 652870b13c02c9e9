"""May an invoice or a credit note be posted as it is?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.billing import TaxAmount
from interlock.errors import BusinessRuleViolation
from interlock.rules.posting import prepare

from tests.unit import finance_samples as samples
from tests.unit.finance_samples import usd

ON = date(2026, 11, 3)


def test_an_invoice_is_entered_as_it_is() -> None:
    invoice = samples.invoice()

    posting = prepare(invoice, samples.context(), ON)

    assert (posting.id, posting.number, posting.credits) == (invoice.id, "ACME-0001", None)
    assert (posting.issued_on, posting.posting_date, posting.due_on) == (
        date(2026, 11, 3),
        ON,
        date(2026, 12, 3),
    )
    assert posting.lines == invoice.lines
    assert (posting.net, posting.tax, posting.total) == (invoice.net, invoice.tax, invoice.total)
    assert posting.rounding == usd("0")


def test_a_credit_note_names_the_invoice_that_it_credits_and_is_due_at_once() -> None:
    posting = prepare(samples.credit_note(), samples.context(), ON)

    assert posting.credits == samples.INVOICE
    assert posting.due_on == date(2026, 11, 3)


@pytest.mark.parametrize(
    ("invoice", "context", "told"),
    [
        ({"customer_id": None}, {}, "its customer is not linked to an account"),
        ({"subsidiary": None}, {}, "set its subsidiary, one of TESSALINE-DE, TESSALINE-US"),
        ({"subsidiary": "TESSALINE-UK"}, {}, "the ERP has no subsidiary TESSALINE-UK"),
        ({}, {"kept_currencies": ("EUR",)}, "TESSALINE-US keeps no books in USD, but in EUR"),
        ({"lines": ()}, {}, "it has no lines"),
        ({}, {"known_skus": ()}, "line 1: the ERP has no product PLATFORM-ANNUAL"),
        ({"lines": (samples.line(sku=None),)}, {}, "line 1 (Platform, annual"),
        ({}, {"known_tax_percents": ()}, "line 1: the ERP has not exactly one tax of 8.25 %"),
        ({"tax": usd("2970.01")}, {}, "are not its total 38,970.00 USD"),
        ({"total": usd("39000.00"), "tax": usd("3000.00")}, {}, "add up to 30.00 USD less"),
        (
            {"lines": (samples.line(tax="2900.00"),), "tax": usd("2900"), "total": usd("38900")},
            {},
            "8.25 % of 36,000.00 USD are 2,970.00 USD, not 2,900.00 USD",
        ),
        (
            {"lines": (samples.line(amount="1.00"), samples.line(taxes=(), amount="1.00"))},
            {},
            "add up to",
        ),
    ],
)
def test_what_finance_has_to_fix(
    invoice: dict[str, Any], context: dict[str, Any], told: str
) -> None:
    with pytest.raises(BusinessRuleViolation) as violation:
        prepare(samples.invoice(**invoice), samples.context(**context), ON)

    assert any(told in problem for problem in violation.value.problems)
    assert all(problem.startswith("ACME-0001: ") for problem in violation.value.problems)
    assert violation.value.record == samples.INVOICE


def test_every_problem_is_told_at_once() -> None:
    invoice = samples.invoice(customer_id=None, lines=(samples.line(sku="SUPPORT-24X7"),))

    with pytest.raises(BusinessRuleViolation) as violation:
        prepare(invoice, samples.context(known_tax_percents=()), ON)

    assert len(violation.value.problems) == 3


def test_a_line_in_another_currency_is_no_sum_that_fails() -> None:
    euros = samples.line(amount="36000.00").model_copy(update={"amount": Money.of(1, "EUR")})

    with pytest.raises(BusinessRuleViolation, match="lines are in EUR"):
        prepare(samples.invoice(lines=(euros,)), samples.context(), ON)


@pytest.mark.parametrize("cents", ["0.01", "-0.01", "0.02"])
def test_a_rounding_of_the_whole_is_booked_as_such(cents: str) -> None:
    """Each line's tax is rounded by itself, the document's once more."""
    total, tax = usd("38970.00") + usd(cents), usd("2970.00") + usd(cents)

    posting = prepare(samples.invoice(total=total, tax=tax), samples.context(), ON)

    assert posting.rounding == usd(cents)


def test_a_tax_may_be_rounded_either_way() -> None:
    """Of 0.20 USD 8.25 % are 0.0165 USD."""
    for tax in ("0.01", "0.02"):
        taxes = (
            TaxAmount(name="T", percent=Decimal("8.25"), taxable=usd("0.20"), amount=usd(tax)),
        )
        line = samples.line("0.20", taxes=taxes)
        invoice = samples.invoice(
            lines=(line,), net=usd("0.20"), tax=usd(tax), total=usd("0.20") + usd(tax)
        )
        assert prepare(invoice, samples.context(), ON).tax == usd(tax)


def test_a_line_that_gives_back_unused_time_is_entered_too() -> None:
    lines = (samples.line(), samples.line("-1200.00", "-99.00", number=2, is_proration=True))
    invoice = samples.invoice(lines=lines, net=usd("34800"), tax=usd("2871"), total=usd("37671"))

    assert prepare(invoice, samples.context(), ON).lines == lines
