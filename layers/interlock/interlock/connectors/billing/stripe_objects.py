"""Between canonical records and Stripe's objects: amounts, items, addresses, form fields.

What Stripe cannot charge is said here too, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from interlock.canonical import (
    EXPONENTS,
    PRICE_DECIMALS,
    Address,
    Line,
    LineKind,
    Money,
    Subscription,
    UnitPrice,
)
from interlock.errors import BusinessRuleViolation, ContractViolation

# Keys of our metadata: https://docs.stripe.com/api/metadata
ACCOUNT_ID = "interlock_account_id"
ORDER_ID = "interlock_order_id"
SUBSIDIARY = "interlock_subsidiary"
CREDIT_ID = "interlock_credit_id"
CASE_ID = "interlock_case_id"
# On a credit note, the entry on the customer's balance that countered it; there, the credit note.
COUNTERED_BY = "interlock_countered_by"
COUNTERS = "interlock_counters"
LINE_NUMBER = "interlock_line"
LINE_DESCRIPTION = "interlock_description"
# Of an item that a contract says: its line's days. Of a schedule: the contract's revision.
LINE_STARTS_ON = "interlock_starts_on"
LINE_ENDS_ON = "interlock_ends_on"
REVISION = "interlock_contract_revision"
# The beginning of keys of a subscription, each for what was taken away from it.
TAKEN_AWAY = "interlock_gone"
METADATA_VALUE_LENGTH = 500

# https://docs.stripe.com/billing/subscriptions/quantities#multiple-subscription-items
MAXIMUM_ITEMS = 20
# A day reads as the same day from UTC-12 to UTC+11.
TIME_OF_DAY = time(12, tzinfo=UTC)

# Where Stripe's amounts differ from ISO 4217: https://docs.stripe.com/currencies. UGX is refused,
# since that page lists it both as written in units and as written in hundredths.
STRIPE_EXPONENTS = {**EXPONENTS, "ISK": 2, "MGA": 0}
UNCLEAR_CURRENCIES = ("UGX",)
# An amount in thousandths must end in 0.
THREE_DECIMALS = 3


def minor_units(money: Money) -> int:
    """The amount as Stripe writes it: a whole number in Stripe's smallest unit of the currency.

    Raises BusinessRuleViolation for an amount that Stripe cannot express.
    """
    if money.currency in UNCLEAR_CURRENCIES:
        raise BusinessRuleViolation([f"Stripe's unit for {money.currency} is not certain"])
    exponent = STRIPE_EXPONENTS[money.currency]
    units = money.amount.scaleb(exponent)
    step = 10 if exponent == THREE_DECIMALS else 1
    if units % step:
        raise BusinessRuleViolation([f"Stripe cannot charge a fraction as small as in {money}"])
    return int(units)


def money(units: int, currency: str) -> Money:
    """The other way round, of a currency in Stripe's lower case.

    Raises BusinessRuleViolation for a currency whose unit at Stripe is not certain, and
    ContractViolation for an amount that the currency cannot express.
    """
    code = currency.upper()
    if code in UNCLEAR_CURRENCIES:
        raise BusinessRuleViolation([f"Stripe's unit for {code} is not certain"])
    try:
        return Money.of(Decimal(units).scaleb(-STRIPE_EXPONENTS[code]), code)
    except (KeyError, ValueError):
        raise ContractViolation(f"{units} is no amount of the currency {code}") from None


def unit_amount(line: Line) -> str:
    """The price of one as Stripe writes it: in its smallest unit, with decimals where needed.

    Stripe multiplies first and rounds then (https://docs.stripe.com/billing/subscriptions/decimal-amounts),
    so that the line comes to its amount. Raises BusinessRuleViolation for a line that Stripe cannot
    charge as it was agreed.
    """
    minor_units(line.amount)
    exponent = STRIPE_EXPONENTS[line.amount.currency]
    decimals = _price_decimals(line.amount.currency)
    price = line.price_in(decimals, Decimal(1).scaleb(-min(exponent, decimals)))
    if price is None or not line.adds_up:
        problem = f"Stripe cannot come to {line.amount} for {line.quantity} at {line.unit_price}"
        raise BusinessRuleViolation([problem])
    return f"{price.scaleb(exponent).normalize():f}"


def _price_decimals(currency: str) -> int:
    """How many decimals of a unit a price may have.

    Where amounts are written finer than they are charged, it is not documented whether a price may
    be finer too: there it is not.
    """
    if currency == "ISK":
        return 0
    return 2 if STRIPE_EXPONENTS[currency] == THREE_DECIMALS else PRICE_DECIMALS


def unit_price(price: dict[str, Any]) -> UnitPrice:
    """The other way round, of a price at Stripe."""
    currency = price["currency"].upper()
    units = Decimal(price["unit_amount_decimal"])
    return UnitPrice.of(units.scaleb(-STRIPE_EXPONENTS[currency]), currency)


def timestamp(day: date) -> int:
    """A calendar day as Stripe's time: seconds since the epoch, at noon UTC."""
    return int(datetime.combine(day, TIME_OF_DAY).timestamp())


def instant(seconds: int) -> datetime:
    """Stripe's time, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def day(seconds: int) -> date:
    """The calendar day, in UTC, of Stripe's time."""
    return instant(seconds).date()


def months_between(start: date, end: date) -> int:
    """How many months a phase lasts; its end may be a shorter month's last day."""
    return (end.year - start.year) * 12 + end.month - start.month


def problems(lines: tuple[Line, ...], currency: str) -> list[str]:
    """What keeps Stripe from charging these lines together, and what to fix; empty if nothing."""
    found = []
    if not 1 <= len(lines) <= MAXIMUM_ITEMS:
        found.append(
            f"a subscription at Stripe has 1 to {MAXIMUM_ITEMS} lines, not {len(lines)}: "
            "split the order"
        )
    for line in lines:
        if line.unit_price.currency != currency:
            found.append(f"line {line.number}: its price is not in {currency}")
        found += [f"line {line.number}: {problem}" for problem in _line_problems(line)]
    return found


def _line_problems(line: Line) -> list[str]:
    if line.quantity % 1:
        return [f"Stripe charges whole quantities, not {line.quantity}"]
    try:
        unit_amount(line)
    except BusinessRuleViolation as violation:
        return violation.problems
    return []


def schedule(
    subscription: Subscription, customer_remote_id: str, *, automatic_tax: bool
) -> dict[str, Any]:
    """The parameters of a schedule that starts a subscription and lets it go on after its term."""
    metadata = told(subscription.id, subscription.customer_id, subscription.subsidiary)
    return {
        "customer": customer_remote_id,
        "start_date": timestamp(subscription.start_date),
        "end_behavior": "release",
        # Charges elapsed years one by one, as if each had been billed when it began.
        "billing_mode": {"type": "flexible"},
        "default_settings": settings(subscription.payment_days, automatic_tax=automatic_tax),
        "metadata": metadata,
        "phases": [
            {
                "billing_cycle_anchor": "phase_start",
                "duration": {"interval": "month", "interval_count": subscription.term_months},
                "items": [item(line) for line in subscription.lines],
                "metadata": metadata,
                "proration_behavior": "create_prorations",
            }
        ],
        "expand": ["phases.items.price"],
    }


def told(order_id: str, account_id: str, subsidiary: str) -> dict[str, Any]:
    """The metadata of a schedule and its phases, which reaches the subscription's invoices."""
    return {ORDER_ID: order_id, ACCOUNT_ID: account_id, SUBSIDIARY: subsidiary}


def settings(payment_days: int, *, automatic_tax: bool) -> dict[str, Any]:
    """How a subscription's invoices are made and sent."""
    return {
        "automatic_tax": {"enabled": automatic_tax},
        "collection_method": "send_invoice",
        "invoice_settings": {"days_until_due": payment_days},
    }


def item(line: Line) -> dict[str, Any]:
    """A phase's item, with a price of its own."""
    return {
        "metadata": {
            LINE_NUMBER: line.number,
            LINE_DESCRIPTION: line.description[:METADATA_VALUE_LENGTH],
        },
        "price_data": price(line),
        "quantity": int(line.quantity),
    }


def price(line: Line) -> dict[str, Any]:
    """The agreed price of a line, billed yearly, of the product whose id is the SKU."""
    return {
        "currency": line.unit_price.currency.lower(),
        "product": line.sku,
        "recurring": {"interval": "year"},
        # Canonical prices are net; Stripe does not let a price's tax behaviour change later.
        "tax_behavior": "exclusive",
        "unit_amount_decimal": unit_amount(line),
    }


def subsidiary(schedule: dict[str, Any]) -> str:
    """The one whose books the subscription's invoices belong to.

    Raises ContractViolation for a schedule that does not say so.
    """
    try:
        return schedule["metadata"][SUBSIDIARY]
    except KeyError:
        raise ContractViolation(
            f"{schedule['id']} does not say whose books it belongs to: enter the subsidiary as "
            f"{SUBSIDIARY} in the metadata of the schedule and of its subscription"
        ) from None


def payment_days(schedule: dict[str, Any]) -> int:
    """How long an invoice may stay unpaid; not at all where it is charged automatically."""
    return schedule["default_settings"]["invoice_settings"]["days_until_due"] or 0


def lines(phase: dict[str, Any]) -> tuple[Line, ...]:
    """The lines of a phase whose items' prices are expanded; usage is on none of them."""
    return tuple(
        _line(row, position)
        for position, row in enumerate(phase["items"], start=1)
        if not is_metered(row["price"])
    )


def is_metered(price: dict[str, Any]) -> bool:
    """Whether usage is charged, and not a quantity."""
    return price["recurring"]["usage_type"] == "metered"


def _line(row: dict[str, Any], position: int) -> Line:
    """One line; an item that was added at Stripe gets its position as its number."""
    price = row["price"]
    metadata = row["metadata"] or {}
    agreed = unit_price(price)
    return Line(
        number=int(metadata.get(LINE_NUMBER, position)),
        sku=price["product"],
        description=metadata.get(LINE_DESCRIPTION, ""),
        kind=LineKind.RECURRING,
        quantity=row["quantity"],
        unit_price=agreed,
        amount=agreed.times(row["quantity"]),
    )


def address(place: Address | None) -> dict[str, str] | None:
    """https://docs.stripe.com/api/customers/object#customer_object-address"""
    if place is None:
        return None
    fields = {
        "line1": place.street,
        "city": place.city,
        "state": place.region,
        "postal_code": place.postal_code,
        "country": place.country,
    }
    return {name: value for name, value in fields.items() if value}


def form(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Nested parameters as Stripe's form fields, `a[b][0]=x`; None is left out.

    https://docs.stripe.com/api?lang=curl
    """
    return dict(_fields(parameters, ""))


def _fields(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _fields(child, f"{name}[{key}]" if name else key)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _fields(child, f"{name}[{index}]")
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)
