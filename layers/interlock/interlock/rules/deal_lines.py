"""What a won deal says of a contract that is there: its lines by days, and what is wrong with them.

Strict, as an order's validation is: every problem is named, and what fixes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from interlock.canonical.contracts import Contract, ContractLine
from interlock.canonical.records import Line, LineKind, Opportunity
from interlock.errors import BusinessRuleViolation
from interlock.rules import months


def recurring(deal: Opportunity) -> tuple[Line, ...]:
    """Its lines that are charged every year."""
    return tuple(line for line in deal.lines if line.kind == LineKind.RECURRING)


def problems(deal: Opportunity, contract: Contract) -> Iterator[str]:
    """What of a deal the contract cannot take over."""
    if deal.currency != contract.currency:
        yield (
            f"the deal is in {deal.currency}, the contract {contract.id} in {contract.currency}:"
            " sell it anew, or correct the deal's currency in the CRM"
        )
    for name, said, agreed in (
        ("subsidiary", deal.subsidiary, contract.subsidiary),
        ("payment terms", deal.payment_terms, contract.payment_terms),
    ):
        if deal.consolidates_into is None and said not in (None, agreed):
            yield (
                f"the {name} of the deal ({said}) are not those of the contract ({agreed}), which"
                " stay as they are: correct the deal in the CRM, or sell it anew"
            )
    if not recurring(deal):
        yield "the deal has no recurring products: add them in the CRM, or mark it lost"
    for line in deal.lines:
        where = f"line {line.number} ({line.sku})"
        if line.kind == LineKind.SERVICE:
            yield f"{where} is a service: sell services by a new deal of their own"
        elif not line.adds_up:
            expected = line.unit_price.times(line.quantity)
            yield (
                f"{where}: {line.quantity} at {line.unit_price} are {expected}, not {line.amount}:"
                " correct the line in the CRM"
            )


def by_days(
    lines: tuple[Line, ...], *, starts_on: date, ends_on: date, record: str
) -> tuple[ContractLine, ...]:
    """The lines from a day until before another; of a ramp, each until the next of its product.

    Raises BusinessRuleViolation for a line that would begin after the end.
    """
    late = [line for line in lines if months.later(starts_on, line.from_month) >= ends_on]
    if late:
        raise BusinessRuleViolation(
            [
                f"line {line.number} ({line.sku}) begins {line.from_month} months after"
                f" {starts_on}, and the term ends on {ends_on}: correct the line or the term in"
                " the CRM"
                for line in late
            ],
            operation="spread_lines",
            record=record,
        )
    return tuple(
        ContractLine(
            sku=line.sku,
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount=line.amount,
            starts_on=months.later(starts_on, line.from_month),
            ends_on=min(_next(line, lines, starts_on), ends_on),
        )
        for line in lines
    )


def _next(line: Line, lines: tuple[Line, ...], starts_on: date) -> date:
    """When another line of the product takes the place of this one."""
    following = [
        other.from_month
        for other in lines
        if other.sku == line.sku and other.from_month > line.from_month
    ]
    return months.later(starts_on, min(following)) if following else date.max
