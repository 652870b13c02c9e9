"""The canonical records: immutable, strict, the same after JSON, known by their fingerprint."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import (
    Canonical,
    Command,
    Line,
    LineKind,
    Money,
    Opportunity,
    OrderStatus,
    Split,
    Subscription,
    Timestamp,
    UnitPrice,
    WriteBack,
)
from pydantic import ValidationError

from tests.unit import samples


class Moment(Canonical):
    """Anything with a time."""

    at: Timestamp


@st.composite
def opportunities(draw: st.DrawFn) -> Opportunity:
    """Deals of any size, in currencies with no, two and three decimals."""
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    amounts = st.builds(Money.from_minor_units, st.integers(0, 10**9), st.just(currency))
    lines = tuple(
        samples.line(
            number,
            draw(st.text("ABC-1", min_size=1, max_size=64)),
            kind=draw(st.sampled_from(LineKind)),
            quantity=Decimal(draw(st.integers(1, 10**9))).scaleb(-3),
            unit_price=UnitPrice.of(draw(st.decimals(0, 10**9, places=6)), currency),
            amount=draw(amounts),
            description=draw(st.text(max_size=40)),
        )
        for number in range(draw(st.integers(0, 4)))
    )
    return samples.opportunity(
        currency=currency,
        amount=draw(amounts),
        lines=lines,
        name=draw(st.text(min_size=1, max_size=40)),
        start_date=draw(st.dates()),
        modified_at=datetime.fromtimestamp(draw(st.integers(0, 10**11)), UTC),
        splits=(Split(owner="ana", percent=Decimal("100")),) if draw(st.booleans()) else (),
    )


@given(opportunities())
def test_a_record_is_the_same_after_json(deal: Opportunity) -> None:
    again = Opportunity.model_validate_json(deal.model_dump_json())

    assert again == deal
    assert again.fingerprint() == deal.fingerprint()
    assert again.agreed() == deal.agreed()


@given(opportunities(), opportunities())
def test_only_equal_content_has_an_equal_fingerprint(one: Opportunity, other: Opportunity) -> None:
    assert (one.fingerprint() == other.fingerprint()) == (one == other)


def test_a_fingerprint_is_a_hash_of_sorted_json() -> None:
    write_back = WriteBack(
        opportunity_id="salesforce:1",
        status=OrderStatus.ACCEPTED,
        order_number="SO/Ø-1",
        subscription_id=None,
        correlation_id="T1",
    )

    # Rows of the ledger are compared with it: a change of this spelling is a migration.
    text = (
        '{"correlation_id":"T1","opportunity_id":"salesforce:1","order_number":"SO/Ø-1",'
        '"status":"accepted","subscription_id":null}'
    )
    assert write_back.fingerprint() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "edit",
    [
        {"modified_at": datetime(2027, 1, 1, tzinfo=UTC)},
        {"owner": "other@tessaline.example"},
        {"name": "Calder Robotics, renamed"},
        {"references": {"tryton": "42"}},
    ],
)
def test_what_was_agreed_is_not_who_edited_it_when(edit: dict[str, Any]) -> None:
    deal = samples.opportunity()

    assert deal.model_copy(update=edit).agreed() == deal.agreed()


@pytest.mark.parametrize(
    "edit",
    [
        {"amount": Money.of("1.00", "USD")},
        {"lines": ()},
        {"start_date": date(2027, 1, 1)},
        {"term_months": 24},
        {"payment_terms": "NET60"},
        {"subsidiary": "TESSALINE-DE"},
        {"is_won": False},
        {"accounts": (samples.account(name="Another company"),)},
        {"splits": (Split(owner="ana", percent=Decimal(100)),)},
    ],
)
def test_what_was_agreed_is_all_the_rest(edit: dict[str, Any]) -> None:
    deal = samples.opportunity()

    assert deal.model_copy(update=edit).agreed() != deal.agreed()


def test_a_record_cannot_be_changed_and_knows_its_fields() -> None:
    deal = samples.opportunity()

    with pytest.raises(ValidationError, match="frozen"):
        deal.name = "Other"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Opportunity(**deal.model_dump(), stage="Closed Won")


def test_a_deal_has_an_account() -> None:
    with pytest.raises(ValidationError, match="accounts"):
        samples.opportunity(accounts=())


def test_the_account_of_a_deal_comes_first() -> None:
    parent = samples.account(id=samples.PARENT, name="Calder Group")

    deal = samples.opportunity(accounts=(samples.account(), parent))

    assert deal.account.id == samples.ACCOUNT


def test_times_are_aware_and_utc() -> None:
    berlin = timezone(timedelta(hours=1))

    moment = Moment(at=datetime(2026, 11, 20, 1, 30, tzinfo=berlin))

    assert moment.at == datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
    assert json.loads(moment.model_dump_json()) == {"at": "2026-11-20T00:30:00Z"}


@pytest.mark.parametrize(
    "at",
    ["2026-11-20T01:30:00", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "soon"],
)
def test_what_is_no_time(at: str) -> None:
    with pytest.raises(ValidationError):
        Moment.model_validate({"at": at})


@pytest.mark.parametrize("id", ["", "a b", "salesforce:006'--", "a\n", "x" * 201])
def test_what_is_no_id(id: str) -> None:
    with pytest.raises(ValidationError):
        Command(correlation_id=id)


@pytest.mark.parametrize("quantity", ["0", "-1", "0.0000001", "1" * 19])
def test_what_is_no_quantity(quantity: str) -> None:
    with pytest.raises(ValidationError):
        Line.model_validate(samples.line().model_dump() | {"quantity": quantity})


@pytest.mark.parametrize("quantity", ["60", "60.000", "6E+1", "6e1", 60])
def test_a_quantity_has_one_spelling(quantity: str | int) -> None:
    line = Line.model_validate(samples.line().model_dump() | {"quantity": quantity})

    assert line.model_dump(mode="json")["quantity"] == "60"


@pytest.mark.parametrize(
    ("decimals", "quantity", "price", "sent"),
    [
        (4, "25", "84.9915", "84.9915"),
        (2, "25", "84.9915", None),  # 84.99 makes 2,124.75, and agreed are 2,124.79
        (2, "1", "84.9915", "84.99"),
        (4, "1", "94.905", "94.9100"),
        (4, "3", "94.905", "94.9067"),
        (0, "2", "84.50", None),
    ],
)
def test_a_price_for_a_system_comes_to_the_amount(
    decimals: int, quantity: str, price: str, sent: str | None
) -> None:
    line = samples.line(quantity=quantity, price=price)

    found = line.price_in(decimals, Decimal("0.01"))

    assert found == (None if sent is None else Decimal(sent))


def test_a_subscription_is_for_the_recurring_lines_alone() -> None:
    order = samples.order()

    subscription = Subscription.of(order)

    assert [line.sku for line in subscription.lines] == ["SEAT", "PLATFORM"]
    assert subscription.id == order.id
    assert subscription.customer_id == order.bill_to


def test_a_subscription_begins_with_the_first_step_of_a_ramp() -> None:
    steps = (samples.line(), samples.line(2, quantity="40", from_month=12))
    order = samples.order(lines=(*steps, samples.line(3, "PLATFORM")), term_months=24)

    subscription = Subscription.of(order)

    assert [line.number for line in subscription.lines] == [1, 3]


def _decision(**values: Any) -> dict[str, Any]:
    return {"step": "CreateOrder", "by": "ana", "reason": "seen", **values}


@pytest.mark.parametrize(
    ("decision", "linked"),
    [
        (None, None),
        ({"action": "retry"}, None),
        ({"action": "link", "remote_id": "42"}, None),
        ({"action": "link", "remote_id": "42", "record": "salesforce:1"}, "42"),
        ({"action": "link", "remote_id": "42", "record": "salesforce:2"}, None),
    ],
)
def test_a_link_is_for_the_record_that_it_names(
    decision: dict[str, Any] | None, linked: str | None
) -> None:
    command = Command(correlation_id="T1", remediation=decision and _decision(**decision))

    assert command.link_for("salesforce:1") == linked
