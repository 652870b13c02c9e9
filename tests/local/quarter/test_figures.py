"""What the books must come to, and how it is held against them."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from local.quarter.figures import Comparison, compare, expected
from local.sandboxes.stripe.totals import Totals
from local.tryton.trial_balance import Balance

# 1,082.50 were invoiced, 108.25 credited to customers, who used 50.00 of it, and 900.00 paid.
# Of that 200.00 were disputed: 150.00 are lost, 40.00 came back. 585.00 were paid out, less 20.00.
TOTALS = Totals(
    invoiced_net=100_000,
    invoiced_tax=8_250,
    credited_net=10_000,
    credited_tax=825,
    payments=90_000,
    disputes_withdrawn=20_000,
    disputes_reinstated=4_000,
    disputes_lost=15_000,
    fees=2_500,
    payouts=56_500,
    receivable=13_250,
    customer_credit=5_825,
    balance_gross=15_500,
    balance_fees=500,
)


def amounts(totals: Totals, currency: str = "USD") -> dict[str, Decimal]:
    return {figure.roles[0]: figure.amount for figure in expected(totals, currency)}


def test_each_figure_follows_from_the_totals():
    assert amounts(TOTALS) == {
        "bank": Decimal("565.00"),
        "clearing": Decimal("155.00"),
        "disputed": Decimal("10.00"),
        "receivable": Decimal("74.25"),
        "deferred revenue": Decimal("-900.00"),
        "tax": Decimal("-74.25"),
        "fees": Decimal("20.00"),
        "dispute losses": Decimal("150.00"),
    }


def test_the_figures_are_a_trial_balance():
    assert sum(amounts(TOTALS).values()) == 0


def test_a_currency_without_decimals_has_none():
    assert amounts(Totals(payouts=50_000), "JPY")["bank"] == Decimal("50000")


def test_an_account_without_anything_comes_to_nothing_everywhere():
    assert {field.default for field in fields(Totals)} == {0}
    assert set(amounts(Totals()).values()) == {Decimal(0)}


def balance(code: str, role: str | None, amount: str) -> Balance:
    return Balance(code, f"account {code}", role, Decimal(amount))


def test_accounts_of_one_figure_are_compared_together():
    totals = Totals(invoiced_net=100_000)
    balances = [balance("2.2.2", "deferred revenue", "-700.00"), balance("4", "revenue", "-300.00")]

    [compared] = [each for each in compare(expected(totals, "USD"), balances) if each.accounts]

    assert [account.code for account in compared.accounts] == ["2.2.2", "4"]
    assert (compared.booked, compared.difference) == (Decimal("-1000.00"), 0)


def test_a_cent_too_much_is_seen():
    compared = compare(expected(Totals(payouts=100), "USD"), [balance("1", "bank", "1.01")])

    assert [each.difference for each in compared if each.difference] == [Decimal("0.01")]


def test_what_is_not_in_the_books_is_seen():
    compared = compare(expected(Totals(payouts=100), "USD"), [])

    assert [each.difference for each in compared if each.difference] == [Decimal("-1.00")]


def test_an_account_that_nothing_should_be_on_is_seen():
    stray = balance("6.2.1", "exchange", "0.01")
    empty = balance("9", None, "0.00")

    [*_, last] = compare(expected(Totals(), "USD"), [stray, empty])

    assert last == Comparison((stray,), Decimal(0), last.basis)
    assert last.difference == Decimal("0.01")
