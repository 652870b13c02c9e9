"""What the billing system charges in a year, and what is told of a contract."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.contracts import Contract, ContractStatus
from interlock.canonical.records import RenewalTerms
from interlock.events import Event

from local.renewals.outcome import Told, yearly
from local.renewals.portfolio import Signed, draw
from local.renewals.revenue import Years, of_contract
from local.renewals.stories import CHURNED, QUOTED
from local.sandboxes.stripe import create
from local.sandboxes.stripe.account import Account

CONTRACT = "salesforce:006A"
SINCE = date(2026, 11, 24)


def item(quantity: int, price: str, interval: str = "year") -> dict[str, Any]:
    return {
        "quantity": quantity,
        "price": {"unit_amount_decimal": price, "recurring": {"interval": interval}},
    }


def charged(*items: dict[str, Any], status: str = "active", currency: str = "usd") -> Account:
    account = create().account
    account.subscriptions["sub_1"] = {
        "currency": currency,
        "items": {"data": list(items)},
        "metadata": {"interlock_order_id": CONTRACT},
        "status": status,
    }
    return account


def test_a_year_is_the_items_by_their_quantity():
    account = charged(item(1, "2400000"), item(3, "48000"))

    assert yearly(account) == {CONTRACT: Money.of("25440.00", "USD")}


def test_a_fraction_of_a_cent_is_a_part_of_the_price():
    assert yearly(charged(item(40, "8499.15"))) == {CONTRACT: Money.of("3399.66", "USD")}


def test_yen_have_no_decimals():
    account = charged(item(2, "72000"), currency="jpy")

    assert yearly(account) == {CONTRACT: Money.of(144000, "JPY")}


def test_a_month_comes_twelve_times():
    assert yearly(charged(item(2, "100", "month"))) == {CONTRACT: Money.of("24.00", "USD")}


def test_a_cancelled_subscription_charges_nothing():
    assert yearly(charged(item(1, "100"), status="canceled")) == {}


def test_what_is_no_contract_of_ours_does_not_count():
    account = charged(item(1, "100"))
    account.subscriptions["sub_1"]["metadata"] = {}

    assert yearly(account) == {}


def contract(signed: Signed, ends_on: date, status: ContractStatus) -> Contract:
    return Contract(
        id=CONTRACT,
        account_id="salesforce:001A",
        customer_name="Larkspur Robotics Inc.",
        bill_to="salesforce:001A",
        subsidiary="TESSALINE-US",
        currency="USD",
        payment_terms="NET30",
        payment_days=30,
        starts_on=signed.starts_on,
        ends_on=ends_on,
        renewal=RenewalTerms(auto_renews=False, notice_days=30),
        lines=(),
        status=status,
    )


def told(signed: Signed, now: Contract, *events: Event) -> Told:
    nothing = Money.of(0, "USD")
    revenue = of_contract(now, now, [], nothing, Years(SINCE, date(2027, 11, 24)))
    return Told(signed, now, events, (), revenue)


SIGNED = {each.story: each for each in draw(1, 5, SINCE).contracts}
LATER = date(2029, 1, 1)


@pytest.mark.parametrize(
    ("story", "ends_on", "status", "problem"),
    [
        (QUOTED, LATER, ContractStatus.ACTIVE, None),
        (QUOTED, None, ContractStatus.ACTIVE, "it goes on, and must be renewed"),
        (QUOTED, None, ContractStatus.ENDED, "it ended, and must be renewed"),
        (CHURNED, None, ContractStatus.ENDED, None),
        (CHURNED, LATER, ContractStatus.ACTIVE, "it renewed, and must be ended"),
    ],
)
def test_a_contract_ends_as_its_story_does(story, ends_on, status, problem):
    signed = SIGNED[story]
    now = contract(signed, ends_on or signed.ends_on, status)
    whose = f"contract {signed.number + 1} ({story.title})"

    expected = [f"{whose}: {problem}"] if problem else []
    assert list(told(signed, now).problems()) == expected


def test_each_change_is_an_order_of_its_own():
    signed = SIGNED[QUOTED]
    zero = {"amount": "0", "currency": "USD"}
    moved = dict.fromkeys(("new", "expansion", "contraction", "churn", "transferred"), zero)

    def changed(type: str, deal: str | None) -> Event:
        movement = {"on": "2027-05-01", **moved}
        data = {"deal_id": deal, "movement": movement}
        at = datetime(2027, 3, 1, tzinfo=UTC)
        return Event(
            id=f"{type}-{deal}",
            type=type,
            source="interlock",
            subject=CONTRACT,
            occurred_at=at,
            correlation_id="renewal-006A",
            data=data,
        )

    now = told(
        signed,
        contract(signed, LATER, ContractStatus.ACTIVE),
        changed("contract.amended", "salesforce:006B"),
        changed("contract.renewed", None),
        changed("contract.ending", None),
    )

    assert now.orders == (CONTRACT, "salesforce:006B", f"{CONTRACT}@2027-05-01")


def test_a_tenth_of_a_cent_is_rounded_as_an_invoice_is():
    assert yearly(charged(item(1, "100.5"))) == {CONTRACT: Money.of(Decimal("1.01"), "USD")}
