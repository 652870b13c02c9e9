"""How a credit reaches the customer: on which lines of which invoices, and by which instrument."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from textwrap import shorten

from interlock.canonical.credits import (
    BillingContext,
    Case,
    ChargedInvoice,
    ChargedLine,
    ComputedCredit,
    Credit,
    CreditLine,
    Instrument,
    MonthCredit,
    ProductCredit,
)
from interlock.canonical.money import Money
from interlock.errors import BusinessRuleViolation
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.downtime import days_between, last_day

LONGEST_MEMO = 1000


def choose(
    credit: ComputedCredit,
    case: Case,
    context: BillingContext,
    terms: AppliedTerms,
    *,
    transaction: str,
) -> tuple[Credit, ...]:
    """One credit for each invoice that takes a part of the amount: together they are all of it.

    What a product is due goes on the lines that charged it for these months, and on those of the
    others that are due something when these have too little left. Open invoices come first, whose
    due it lowers, then paid ones, the latest first. A customer that is no longer served is
    refunded: no invoice will come that a balance could pay.

    A refund and what is still due of its invoice are bounded here net of tax. The billing system
    knows the credit's tax, and refuses what it cannot refund with it. Raises BusinessRuleViolation
    when less than the amount is left.
    """
    instrument = terms.service.instrument if context.is_active else Instrument.REFUND
    allocation = _Allocation(credit, context, instrument)
    rest = sum(allocation.place(units, (sku,)) for sku, units in _shares(credit).items())
    if rest := allocation.place(rest, tuple(_shares(credit))):
        raise _too_little(credit, rest, instrument)
    parts = [(each, lines) for each in allocation.invoices if (lines := allocation.lines(each))]
    return tuple(
        Credit(
            id=f"{case.id}/{transaction}/{number}",
            case_id=case.id,
            account_id=context.account_id,
            invoice_id=invoice.id,
            instrument=instrument,
            lines=lines,
            net=Money.total((line.amount for line in lines), invoice.currency),
            memo=_memo(case, credit, lines),
        )
        for number, (invoice, lines) in enumerate(parts, start=1)
    )


class _Allocation:
    """What was taken of each line, in minor units, by its id."""

    def __init__(
        self, credit: ComputedCredit, context: BillingContext, instrument: Instrument
    ) -> None:
        same = [each for each in context.invoices if each.currency == credit.amount.currency]
        self.invoices = sorted(same, key=lambda invoice: invoice.due.amount <= 0)
        self._credit = credit
        self._is_refund = instrument is Instrument.REFUND
        self._taken: Counter[str] = Counter()

    def place(self, units: int, skus: tuple[str, ...]) -> int:
        """Take so much of the lines of these products; returns what they do not have left."""
        for invoice in self.invoices:
            for line in invoice.lines:
                if line.sku in skus and _has_charged(line, self._credit):
                    taken = min(units, self._left(invoice, line))
                    self._taken[line.remote_id] += taken
                    units -= taken
        return units

    def lines(self, invoice: ChargedInvoice) -> tuple[CreditLine, ...]:
        """Those of an invoice that anything was taken of."""
        return tuple(
            CreditLine(
                remote_id=line.remote_id,
                sku=line.sku,
                amount=Money.from_minor_units(units, invoice.currency),
            )
            for line in invoice.lines
            if (units := self._taken[line.remote_id])
        )

    def _left(self, invoice: ChargedInvoice, line: ChargedLine) -> int:
        left = line.creditable.minor_units - self._taken[line.remote_id]
        if self._is_refund:
            taken = sum(self._taken[each.remote_id] for each in invoice.lines)
            left = min(left, (invoice.due + invoice.refundable).minor_units - taken)
        return max(left, 0)


def _due(credit: ComputedCredit) -> Iterator[tuple[MonthCredit, list[ProductCredit]]]:
    """What each month's amount is for: the products that this case adds to, if it is one of them.

    Otherwise all that are due something: other terms may give more for an earlier incident.
    """
    for month in credit.months:
        if month.amount.amount:
            due = [product for product in month.products if product.amount.amount]
            yield month, [each for each in due if credit.incident.affects(each.sku)] or due


def _shares(credit: ComputedCredit) -> dict[str, int]:
    """What each product has of the amount, in minor units: as much as is due for it, of the due.

    Shares are rounded so that they add up.
    """
    shares: Counter[str] = Counter()
    for month, products in _due(credit):
        whole = sum(product.amount.minor_units for product in products)
        before = due = 0
        for product in products:
            due += product.amount.minor_units
            until = month.amount.minor_units * due // whole
            shares[product.sku] += until - before
            before = until
    return dict(shares)


def _has_charged(line: ChargedLine, credit: ComputedCredit) -> bool:
    """Whether it charges a product for a month in which that is due something."""
    return any(
        product.sku == line.sku and _covers(line, month)
        for month, products in _due(credit)
        for product in products
    )


def _covers(line: ChargedLine, month: MonthCredit) -> bool:
    return days_between(line.service_period, month.month, last_day(month.month)) > 0


def _memo(case: Case, credit: ComputedCredit, lines: tuple[CreditLine, ...]) -> str:
    products = ", ".join(sorted({line.sku for line in lines}))
    text = f"Service credit for case {case.number}: {products}, {_months(credit)}"
    return shorten(text, LONGEST_MEMO, placeholder=" …")


def _months(credit: ComputedCredit) -> str:
    return ", ".join(f"{month.month:%Y-%m}" for month, _ in _due(credit))


def _too_little(credit: ComputedCredit, rest: int, instrument: Instrument) -> BusinessRuleViolation:
    lacking = Money.from_minor_units(rest, credit.amount.currency)
    can = "be refunded" if instrument is Instrument.REFUND else "be credited"
    problem = (
        f"{credit.amount} are granted, and only {credit.amount - lacking} can {can} on the invoices"
        f" that charged {', '.join(_shares(credit))} for {_months(credit)}: Finance takes back an"
        " earlier credit note in billing and retries, or takes this run back and gives the amount"
        " by hand"
    )
    return BusinessRuleViolation(
        [problem], operation="choose_instrument", record=credit.incident.case_id
    )
