"""Whatever is told of a contract, and when: in the end it was charged what it says, by days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.canonical.contracts import ContractLine, ContractStatus
from interlock.connectors.billing.stripe import Stripe

from local.sandboxes import stripe as stripe_sandbox
from local.sandboxes.stripe import invoice_api
from tests.contracts.billing.contract_samples import END, PLATFORM, START, contract, line, sold
from tests.contracts.billing.samples import ACCOUNT
from tests.unit.connectors.billing.stripe_account import SECRET_VALUE, UnitConnection

DAYS = (END - START).days
CENT = Decimal("0.01")
# When something is told: mostly while much begins and ends.
MOMENTS = st.integers(1, 16 * 86400) | st.integers(1, DAYS * 86400 - 3600)


def at(seconds: int) -> datetime:
    """So long after the contract's first day."""
    return datetime(START.year, START.month, START.day, 12, tzinfo=UTC) + timedelta(seconds=seconds)


@st.composite
def lines(draw: st.DrawFn) -> ContractLine:
    """Some seats for some days of the year: few ones, so that they come and go again."""
    first = draw(st.sampled_from([0, 3, 6, 9]))
    after = draw(st.sampled_from([5, 8, 11, 14, DAYS]).filter(lambda day: day > first))
    return line(
        quantity=draw(st.integers(1, 2)),
        price="99.99",
        starts_on=START + timedelta(days=first),
        ends_on=START + timedelta(days=after),
    )


def amended(before: tuple[ContractLine, ...], more: list[ContractLine], day: date) -> list:
    """What was over stays, and may be extended by an equal line; all else is as it is told now."""
    found = {charge(each): each for each in before if each.ends_on <= day}
    for each in more:
        over = found.get(charge(each))
        if over is None or each.ends_on > over.ends_on:
            found[charge(each)] = each
    return list(found.values())


def charge(each: ContractLine) -> tuple:
    """What makes two lines equal, whenever they end."""
    return each.quantity, each.unit_price.amount, each.starts_on


def charged_day(moment: datetime) -> date:
    """A day begins at noon."""
    return (moment - timedelta(hours=12)).date()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(MOMENTS, st.lists(lines(), max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_it_comes_to_the_days(told: list[tuple[int, list[ContractLine]]]) -> None:
    clock = [at(60)]
    sandbox = stripe_sandbox.create(
        clock=lambda: clock[0], api_key=SECRET_VALUE, requests_per_second=10_000
    )
    stripe_sandbox.seed(sandbox)
    connection = UnitConnection(
        name="stripe",
        vendor="stripe",
        base_url="https://api.stripe.example",
        secret_id="unused",  # noqa: S106 - a name, and no secret
    )
    billing = Stripe(
        connection,
        transport=httpx.WSGITransport(app=sandbox),
        clock=lambda: clock[0].timestamp(),
    )
    customer = billing.create_customer(ACCOUNT, idempotency_key="c").remote_id
    made = billing.create_subscription(
        sold(contract(PLATFORM)), customer_remote_id=customer, idempotency_key="s"
    )
    remote_id = str(made.remote_id)
    now = contract(PLATFORM)
    for moment, more in sorted(told, key=lambda each: each[0]):
        clock[0] = at(moment)
        day = charged_day(clock[0])
        now = contract(
            PLATFORM,
            *amended(now.lines[1:], more, day),
            revision=now.revision + 1,
            status=ContractStatus.ENDING,
        )
        billed = billing.amend_subscription(
            now, remote_id=remote_id, idempotency_key=f"a{now.revision}"
        )
        assert billed.phases[0].lines == now.lines_on(day)
    clock[0] = at(DAYS * 86400 + 7200)

    charged = sum(row["total"] for row in sandbox.do(invoice_api.list_all, limit=100)["data"])

    days = ((each.ends_on - each.starts_on).days for each in now.lines)
    expected = sum(
        each.amount.amount * served / DAYS for each, served in zip(now.lines, days, strict=True)
    )
    assert billing.get_billed_contract(remote_id).status == "completed"
    # Every line of an invoice is rounded.
    assert abs(Decimal(charged) / 100 - expected) <= CENT * 20
