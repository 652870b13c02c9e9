"""The notice that a contract goes on by itself."""

from __future__ import annotations

from datetime import date

import pytest
from interlock.errors import BusinessRuleViolation
from interlock.rules import renewal_notice

from tests.unit.renewal_samples import contract, deal, notice, policy, quote, terms
from tests.unit.samples import ACCOUNT, PARENT, account


def test_a_notice_says_when_what_and_how_to_say_no() -> None:
    written = renewal_notice.write(contract(), quote(), deal())

    assert written.id == contract().renewal_id
    assert (written.account_id, written.customer_email) == (ACCOUNT, "billing@calder.example")
    assert (written.remote_id, written.sent_at) == (None, None)
    assert written.subject == "Your contract goes on, unless you say no by 2 October 2027"
    assert written.body == (
        "Dear Calder Robotics,\n\n"
        "your contract ends on 30 November 2027. It then goes on by itself until 30 November"
        " 2028.\n\n"
        "From 1 December 2027 on it costs 14,935.00 USD a year, plus tax.\n\n"
        "If you agree, you need not do anything. If you do not want the contract to go on, or want"
        " to change it, please answer this message, by 2 October 2027 at the latest.\n"
    )


def test_it_goes_to_the_address_that_the_crm_has_now() -> None:
    payer = account(id=PARENT, email="ap@calder.example")
    of = contract(bill_to=PARENT)

    by = deal(accounts=(account(parent_id=PARENT), payer))
    assert renewal_notice.write(of, quote(), by).customer_email == "ap@calder.example"
    assert renewal_notice.write(of, quote(), deal()).customer_email == "billing@calder.example"


def test_without_an_address_it_says_where_to_enter_one() -> None:
    nobody = deal(accounts=(account(email=None),))

    with pytest.raises(BusinessRuleViolation, match=f"enter one on the account {ACCOUNT}"):
        renewal_notice.write(contract(customer_email=None), quote(), nobody)


def test_the_longest_name_leaves_room() -> None:
    assert renewal_notice.write(contract(customer_name="N" * 255), quote(), deal()).body


@pytest.mark.parametrize(("days", "last"), [(0, 30), (1, 30), (2, 29), (30, 1)])
def test_the_last_day_to_say_no_is_before_the_end(days: int, last: int) -> None:
    of = contract(renewal=terms(notice_days=days))

    assert renewal_notice.deadline(of) == date(2027, 11, last)


@pytest.mark.parametrize(
    ("sent", "in_time"),
    [
        (None, False),
        ("2027-09-01", False),
        ("2027-09-02", True),
        ("2027-09-17", True),
        ("2027-09-18", False),
    ],
)
def test_it_is_sent_within_its_window(sent: str | None, in_time: bool) -> None:
    assert renewal_notice.is_in_time(notice(sent), contract(), policy()) == in_time


def test_what_was_never_sent_is_not_in_time() -> None:
    assert not renewal_notice.is_in_time(None, contract(), policy())


def test_the_price_that_was_told_is_found_again() -> None:
    dearer = quote(contract(renewal=terms(uplift=4)))

    assert renewal_notice.tells_price(notice(), quote())
    assert not renewal_notice.tells_price(notice(), dearer)
