"""What the next term of a contract costs by what was signed.

The lines of the contract's last day go on, each at its price raised by the agreed percentage, or by
the published index of the year in which the term begins, and by no more than the cap. A price is
rounded halves away from zero to the currency's minor unit, or to as many decimals as it has
already; down, where that were more than the cap allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from interlock.canonical.contracts import Contract, ContractLine
from interlock.canonical.money import EXACTLY, Money, UnitPrice
from interlock.canonical.records import Percent
from interlock.errors import BusinessRuleViolation
from interlock.rules.renewal_policy import RenewalPolicy

DAY = timedelta(days=1)


def by_terms(
    contract: Contract, policy: RenewalPolicy, ends_on: date
) -> tuple[tuple[ContractLine, ...], list[str]]:
    """The lines of a term that lasts until before a day, and their working.

    Those of one product at one price are one. Raises BusinessRuleViolation for an index that is not
    published, and for a contract of which nothing is served in the end.
    """
    rise, why = _rise(contract, policy)
    last = contract.lines_on(contract.ends_on - DAY)
    if not last:
        raise _violation(contract, f"nothing is served on its last day, before {contract.ends_on}")
    cap = contract.renewal.uplift_cap
    raised, working = [], [why]
    for line in last:
        price = _raised(line.unit_price, rise, cap)
        working.append(
            f"{line.sku}: {line.quantity} at {line.unit_price}, raised by {rise} %: {price}"
        )
        days = {"starts_on": contract.ends_on, "ends_on": ends_on}
        raised.append(at_price(line.model_copy(update=days), price))
    return merged(raised), working


def less(price: UnitPrice, percent: Percent) -> UnitPrice:
    """A price less so many percent, rounded as all are."""
    return _rounded(price, _more(price, -percent), ROUND_HALF_UP)


def at_price(line: ContractLine, price: UnitPrice) -> ContractLine:
    """The line with another price."""
    return line.model_copy(update={"unit_price": price, "amount": price.times(line.quantity)})


def merged(lines: Iterable[ContractLine]) -> tuple[ContractLine, ...]:
    """Lines of the same days, of which those of one product and price are one."""
    found: dict[tuple[str, Decimal], ContractLine] = {}
    for line in lines:
        key = line.sku, line.unit_price.amount
        if before := found.get(key):
            quantity = before.quantity + line.quantity
            line = at_price(before.model_copy(update={"quantity": quantity}), line.unit_price)
        found[key] = line
    return tuple(found.values())


def total(lines: Iterable[ContractLine], currency: str) -> Money:
    """What lines come to in a year."""
    return Money.total((line.amount for line in lines), currency)


def _rise(contract: Contract, policy: RenewalPolicy) -> tuple[Percent, str]:
    """By how much prices rise, and why."""
    terms, year = contract.renewal, contract.ends_on.year
    if terms.index:
        published = policy.indices.get(terms.index, {}).get(year)
        if published is None:
            problem = (
                f"the index {terms.index} of {year} is not published in the contract terms: add it"
                " to the section renewal with `interlock terms deploy FILE`"
            )
            raise _violation(contract, problem)
        rise, why = published, f"prices rise by {terms.index} of {year}, {published} %"
    else:
        rise = terms.uplift or Decimal(0)
        why = f"prices rise by the agreed uplift, {rise} %"
    cap = terms.uplift_cap
    if cap is None or rise <= cap:
        return rise, why
    return cap, f"{why}, but by {cap} % at most"


def _raised(price: UnitPrice, rise: Percent, cap: Percent | None) -> UnitPrice:
    raised = _more(price, rise)
    rounded = _rounded(price, raised, ROUND_HALF_UP)
    if cap is not None and rounded.amount > _more(price, cap):
        return _rounded(price, raised, ROUND_FLOOR)
    return rounded


def _more(price: UnitPrice, percent: Percent) -> Decimal:
    return EXACTLY.multiply(price.amount, 1 + percent.scaleb(-2))


def _rounded(like: UnitPrice, amount: Decimal, rounding: str) -> UnitPrice:
    """To the decimals of a price: at least those of its currency."""
    rounded = amount.quantize(like.amount, rounding=rounding, context=EXACTLY)
    return UnitPrice.of(rounded, like.currency)


def _violation(contract: Contract, problem: str) -> BusinessRuleViolation:
    return BusinessRuleViolation([problem], operation="price_renewal", record=contract.id)
