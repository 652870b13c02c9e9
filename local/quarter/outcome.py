"""What a quarter came to: the ERP's books beside the billing system's totals, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Self

from interlock.canonical import Money

from local.environment import LocalEnvironment
from local.leftovers import open_exceptions, set_aside
from local.leftovers import runs as runs_of
from local.quarter.figures import Comparison, compare, expected
from local.quarter.plan import Quarter
from local.sandboxes.stripe.totals import customer_balances as owed_at_stripe
from local.tryton import trial_balance
from local.tryton.trial_balance import account_roles, monthly_balances

ACCOUNT = "interlock_account_id"
MACHINES = {"LeadToOrder": "lead to order", "SubscriptionBilling": "subscription billing"}


@dataclass(frozen=True)
class Books:
    """The books of a company in its currency, with the comparisons of the quarter's last day.

    `months` has all postings by account and first day of the month, also of months to come; `owed`
    is what each customer owes on the last day, less its credit, in the books and at Stripe.
    """

    company: str
    currency: str
    comparisons: list[Comparison]
    months: dict[tuple[str, date], Decimal]
    owed: dict[str, tuple[Money, Money]]

    def of_role(self, role: str) -> dict[date, Decimal]:
        """What was posted to the account of a role, by month."""
        roles = account_roles()
        ours = {key: amount for key, amount in self.months.items() if roles.get(key[0]) == role}
        return {month: amount for (_, month), amount in sorted(ours.items())}

    def problems(self) -> Iterator[str]:
        """Where they are not what the billing system says."""
        for compared in self.comparisons:
            if compared.difference:
                yield f"{self.company}: {compared.basis}: {compared.difference} too much in Tryton"
        for customer, (booked, at_stripe) in self.owed.items():
            if booked != at_stripe:
                yield f"{self.company}: {customer} owes {booked} in Tryton, {at_stripe} at Stripe"


@dataclass(frozen=True)
class Outcome:
    """Books, how many documents of each kind Stripe has, runs of each workflow, and problems."""

    books: list[Books]
    documents: dict[str, int]
    runs: dict[str, int]
    problems: list[str]

    @classmethod
    def read(cls, environment: LocalEnvironment, quarter: Quarter) -> Self:
        """From Tryton, from the Stripe sandbox, and from the tables and queues of the stack."""
        deals = {buyer.deal.subsidiary: buyer.deal for buyer in quarter.buyers}
        books = [
            _books(environment, company, deal.currency, quarter.days[-1])
            for company, deal in deals.items()
        ]
        runs = {name: runs_of(environment, machine) for machine, name in MACHINES.items()}
        problems = [problem for each in books for problem in each.problems()]
        problems += [
            f"run {run['name']} of {name}: {run['status']}"
            for name, started in runs.items()
            for run in started
            if run["status"] != "SUCCEEDED"
        ]
        problems += [*open_exceptions(environment), *set_aside(environment)]
        return cls(
            books=books,
            documents=_documents(environment),
            runs={name: len(started) for name, started in runs.items()},
            problems=problems,
        )


def differing(in_order: list[Books], in_disorder: list[Books]) -> Iterator[str]:
    """Where the same companies' books of two quarters are not the same."""
    for one, other in zip(in_order, in_disorder, strict=True):
        for account, month in sorted(one.months.keys() | other.months.keys()):
            ours = one.months.get((account, month), Decimal(0))
            theirs = other.months.get((account, month), Decimal(0))
            if ours != theirs:
                where = f"{one.company}, {account}, {month:%Y-%m}"
                yield f"{where}: {ours} in order, {theirs} in disorder"


def _books(environment: LocalEnvironment, company: str, currency: str, day: date) -> Books:
    tryton = environment.tryton
    figures = expected(environment.stripe.totals()[currency.lower()], currency)
    return Books(
        company=company,
        currency=currency,
        comparisons=compare(figures, trial_balance.trial_balance(tryton, company, day)),
        months={key: amount for key, amount in monthly_balances(tryton, company).items() if amount},
        owed=_owed(environment, company, currency, day),
    )


def _owed(
    environment: LocalEnvironment, company: str, currency: str, day: date
) -> dict[str, tuple[Money, Money]]:
    booked = trial_balance.customer_balances(environment.tryton, company, day)
    customers = environment.stripe.account.customers
    at_stripe = {
        customers[customer]["metadata"][ACCOUNT]: units
        for (customer, its), units in environment.stripe.by_hand(owed_at_stripe).items()
        if its == currency.lower()
    }
    return {
        customer: (
            Money.of(booked.get(customer, Decimal(0)), currency),
            Money.from_minor_units(at_stripe.get(customer, 0), currency),
        )
        for customer in sorted(booked.keys() | at_stripe.keys())
    }


def _documents(environment: LocalEnvironment) -> dict[str, int]:
    account = environment.stripe.account
    return {
        "invoices": len(account.invoices),
        "payments": sum(charge["paid"] for charge in account.charges.values()),
        "credit notes": len(account.credit_notes),
        "refunds": len(account.refunds),
        "disputes": len(account.disputes),
        "payouts": len(account.payouts),
    }
