"""What the ERP's books must come to, derived from the billing system's own totals.

| figure | debit, less credit |
| --- | --- |
| receivable | what remains of invoices, less what customers have as credit |
| revenue, deferred or recognised | less what was invoiced net, and credited net again |
| tax | less what was invoiced as tax, and credited again |
| clearing | the balance before fees: what was paid and is not paid out |
| fees | those of what was paid out: they are booked with the payout |
| bank | what was paid out |
| disputed | what was withdrawn and is not decided |
| dispute losses | what was withdrawn and lost |

Every other account must have nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from interlock.canonical import Money

from local.sandboxes.stripe.totals import Totals
from local.tryton.trial_balance import Balance


@dataclass(frozen=True)
class Figure:
    """What the accounts of some roles come to together; `basis` says from what it follows."""

    roles: tuple[str, ...]
    amount: Decimal
    basis: str


@dataclass(frozen=True)
class Comparison:
    """The accounts of a figure in the books, and what they should come to."""

    accounts: tuple[Balance, ...]
    expected: Decimal
    basis: str

    @property
    def booked(self) -> Decimal:
        """What they come to."""
        return sum((account.amount for account in self.accounts), Decimal(0))

    @property
    def difference(self) -> Decimal:
        """Zero where the books follow the billing system."""
        return self.booked - self.expected


def expected(totals: Totals, currency: str) -> tuple[Figure, ...]:
    """The figures of one currency, which is that of one company's books."""
    net = totals.invoiced_net - totals.credited_net
    tax = totals.invoiced_tax - totals.credited_tax
    undecided = totals.disputes_withdrawn - totals.disputes_reinstated - totals.disputes_lost
    figures = (
        (("bank",), totals.payouts, "paid out"),
        (("clearing",), totals.balance_gross, "balance before fees"),
        (("disputed",), undecided, "not decided yet"),
        (("receivable",), totals.receivable - totals.customer_credit, "unpaid, less credit"),
        (("deferred revenue", "revenue", "rounding"), -net, "net, less credited"),
        (("tax",), -tax, "tax, less credited"),
        (("fees",), totals.fees - totals.balance_fees, "fees of payouts"),
        (("dispute losses",), totals.disputes_lost, "withdrawn and lost"),
    )
    return tuple(
        Figure(roles, Money.from_minor_units(units, currency).amount, basis)
        for roles, units, basis in figures
    )


def compare(figures: Iterable[Figure], balances: Iterable[Balance]) -> list[Comparison]:
    """Each figure beside its accounts, and the accounts that should have nothing, if any has."""
    figures, balances = list(figures), list(balances)
    compared = [
        Comparison(
            accounts=tuple(each for each in balances if each.role in figure.roles),
            expected=figure.amount,
            basis=figure.basis,
        )
        for figure in figures
    ]
    known = {role for figure in figures for role in figure.roles}
    others = tuple(each for each in balances if each.role not in known and each.amount)
    if others:
        compared.append(Comparison(others, Decimal(0), "nothing belongs here"))
    return compared
