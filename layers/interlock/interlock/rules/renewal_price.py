"""What the next term of a contract costs, as it is offered or was sold, beside the signed terms.

While the deal is open, the price by the terms is offered, less the discount that sales ask for.
Once it is won, what was sold counts: other quantities and other products are no discount, but the
same quantities of the same products for less are. Of a lost deal nothing is offered: today's prices
stand for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from interlock.canonical.contracts import Contract, ContractLine, RenewalQuote
from interlock.canonical.money import EXACTLY, Money
from interlock.canonical.records import Opportunity, Percent
from interlock.errors import BusinessRuleViolation
from interlock.rules import deal_lines, months
from interlock.rules.price_by_terms import at_price, by_terms, less, merged, total
from interlock.rules.renewal_policy import RenewalPolicy

# Of a discount, which is rounded up, so that none passes as nothing.
DISCOUNT_DECIMALS = 4
Lines = tuple[ContractLine, ...]


@dataclass(frozen=True)
class _Price:
    """What is asked for lines, and what they cost by the terms."""

    lines: Lines
    total: Money
    by_terms: Money
    working: list[str]


def price(
    contract: Contract,
    policy: RenewalPolicy,
    deal: Opportunity,
    *,
    rejected: Percent | None = None,
) -> RenewalQuote:
    """The price of the next term, with its working; `rejected` is a discount that is not given.

    The term is as long as was sold, or as the contract says, in calendar months from the contract's
    first day: what began on 29 February comes back to it (`rules.months`). Raises
    BusinessRuleViolation for an index that is not published, for another currency, and for a won
    deal with everything that the contract cannot take over.
    """
    term = deal.term_months if deal.is_won else contract.renewal.renewal_months
    served = months.between(contract.starts_on, contract.ends_on)
    ends_on = months.later(contract.starts_on, served + term)
    lines, working = by_terms(_leaving(contract) if deal.is_lost else contract, policy, ends_on)
    if deal.is_won:
        _refuse(deal, _problems(contract, deal))
        priced = _sold(deal, lines)
    else:
        _refuse(deal, _wrongly_asked(contract, deal))
        priced = _offered(deal, lines, rejected)
    discount = _percent_less(priced.by_terms, priced.total)
    working += [
        *priced.working,
        f"a year, net of tax: {priced.total}; by the terms {priced.by_terms}: less by {discount} %",
        f"from {contract.ends_on} until before {ends_on}: {term} months",
    ]
    return RenewalQuote(
        contract_id=contract.id,
        revision=contract.revision,
        starts_on=contract.ends_on,
        ends_on=ends_on,
        lines=priced.lines,
        by_terms=priced.by_terms,
        total=priced.total,
        discount=discount,
        asked_by=deal.owner if discount else None,
        working=tuple(working),
    )


def _leaving(contract: Contract) -> Contract:
    """Its prices do not rise: an index that is not published yet keeps nobody."""
    flat = contract.renewal.model_copy(update={"index": None, "uplift": None})
    return contract.model_copy(update={"renewal": flat})


def _offered(deal: Opportunity, lines: Lines, rejected: Percent | None) -> _Price:
    """By the terms, less what sales ask for; not, where that was rejected, or the deal is lost."""
    cost = total(lines, lines[0].amount.currency)
    asked = deal.discount or Decimal(0)
    if deal.is_lost or not asked:
        return _Price(lines, cost, cost, [])
    if asked == rejected:
        return _Price(lines, cost, cost, [f"the discount of {asked} % was rejected"])
    working = [
        f"{line.sku}: {line.unit_price} less {asked} %, as sales ask:"
        f" {less(line.unit_price, asked)}"
        for line in lines
    ]
    reduced = merged(at_price(line, less(line.unit_price, asked)) for line in lines)
    return _Price(reduced, total(reduced, cost.currency), cost, working)


def _wrongly_asked(contract: Contract, deal: Opportunity) -> Iterator[str]:
    if deal.is_lost:
        return
    if deal.currency != contract.currency:
        yield (
            f"the deal is in {deal.currency}, the contract in {contract.currency}: correct the"
            " deal's currency in the CRM"
        )


def _sold(deal: Opportunity, lines: Lines) -> _Price:
    """What was sold; of a ramp, compared for the time in which it is less by most."""
    sold = deal_lines.by_days(
        deal_lines.recurring(deal),
        starts_on=lines[0].starts_on,
        ends_on=lines[0].ends_on,
        record=deal.id,
    )
    times = [
        _compared(tuple(line for line in sold if line.is_in_force(day)), lines, deal.currency)
        for day in sorted({line.starts_on for line in sold})
    ]
    least = max(times, key=lambda time: (time.by_terms - time.total).amount)
    working = [
        f"{line.sku}: sold {line.quantity} at {line.unit_price}, {line.amount} a year, from"
        f" {line.starts_on} on"
        for line in sold
    ]
    return _Price(sold, least.total, least.by_terms, working + least.working)


def _problems(contract: Contract, deal: Opportunity) -> Iterator[str]:
    if deal.start_date != contract.ends_on:
        yield (
            f"the deal starts on {deal.start_date}, and renews a term that ends on"
            f" {contract.ends_on}: let it start on that day, in the CRM"
        )
    yield from deal_lines.problems(deal, contract)
    for line in deal_lines.recurring(deal):
        if line.amount.amount < 0:
            yield (
                f"line {line.number} ({line.sku}) costs {line.amount}: give a discount in the"
                " prices of the products, in the CRM"
            )


def _compared(sold: Lines, lines: Lines, currency: str) -> _Price:
    """What was sold together, and the same quantities by the terms; what is new costs the same."""
    cost, working = Money.of(0, currency), []
    for sku in dict.fromkeys(line.sku for line in sold):
        product = [line for line in sold if line.sku == sku]
        known = [line for line in lines if line.sku == sku]
        quantity = sum((line.quantity for line in product), Decimal(0))
        if known:
            of_product = _at_average(known, quantity)
            working.append(f"{sku}: {quantity} cost {of_product} a year by the terms")
        else:
            of_product = total(product, currency)
            working.append(f"{sku}: not in the contract so far, so as it was sold: {of_product}")
        cost += of_product
    return _Price(sold, total(sold, currency), cost, working)


def _at_average(known: list[ContractLine], quantity: Decimal) -> Money:
    """What a quantity costs of a product; at its average price, where it has several."""
    of = sum((line.quantity for line in known), Decimal(0))
    cost = Decimal(0)
    for line in known:
        cost = EXACTLY.fma(line.unit_price.amount, line.quantity, cost)
    exact = EXACTLY.divide(EXACTLY.multiply(cost, quantity), of)
    return Money.rounded(exact, known[0].amount.currency)


def _percent_less(by_terms: Money, asked: Money) -> Decimal:
    """How much less is asked, rounded up; nothing, where it is not less."""
    if asked.amount >= by_terms.amount:
        return Decimal(0)
    parts = (by_terms - asked).minor_units * 100 * 10**DISCOUNT_DECIMALS
    return Decimal(-(-parts // by_terms.minor_units)).scaleb(-DISCOUNT_DECIMALS)


def _refuse(deal: Opportunity, found: Iterator[str]) -> None:
    if problems := list(found):
        raise BusinessRuleViolation(problems, operation="price_renewal", record=deal.id)
