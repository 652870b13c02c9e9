"""Automatic tax: https://docs.stripe.com/tax/invoicing

Where the seeded account is registered, one rate falls on everything, on top of the price, rounded
line by line. Elsewhere nothing is collected. The rates are retrieved as
https://docs.stripe.com/api/tax_rates.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from local.sandboxes.stripe.account import Account, StripeObject
from local.sandboxes.stripe.amounts import rounded

# By the customer's country: the rate's name, its percentage, and its type.
REGISTRATIONS = {
    "US": ("US-SALES-8.25", 8.25, "sales_tax"),
    "DE": ("DE-VAT-19", 19.0, "vat"),
    "JP": ("JP-CT-10", 10.0, "jct"),
}


def register(account: Account) -> None:
    """Make the tax rates of the registrations."""
    for country, (name, percentage, type) in REGISTRATIONS.items():
        id = account.new_id("txr")
        account.tax_rates[id] = {
            "id": id,
            "object": "tax_rate",
            "active": True,
            "country": country,
            "created": account.now(),
            "description": None,
            "display_name": name,
            "effective_percentage": percentage,
            "flat_amount": None,
            "inclusive": False,
            "jurisdiction": country,
            "jurisdiction_level": "country",
            "livemode": False,
            "metadata": {},
            "percentage": percentage,
            "rate_type": "percentage",
            "state": None,
            "tax_type": type,
        }


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/tax_rates/<id>`"""
    return account.retrieved(account.tax_rates, id, raw, "tax rate")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/tax_rates`"""
    return account.listed(account.tax_rates.values(), raw, "/v1/tax_rates")


def rates_in(account: Account, country: str | None) -> list[StripeObject]:
    """The rates of a country."""
    return [rate for rate in account.tax_rates.values() if rate["country"] == country]


def taxes_on(amount: int, rates: Iterable[StripeObject], currency: str) -> list[StripeObject]:
    """The taxes of a line with this net amount."""
    return [tax(_share(amount, rate, currency), amount, rate["id"]) for rate in rates]


def tax(amount: int, taxable: int, rate: str) -> StripeObject:
    """One tax of a line."""
    return {
        "amount": amount,
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def summed(lines: Iterable[StripeObject]) -> list[StripeObject]:
    """The taxes of all lines together, one for each rate."""
    sums: dict[str, StripeObject] = {}
    for line in lines:
        for each in line["taxes"]:
            rate = each["tax_rate_details"]["tax_rate"]
            total = sums.setdefault(rate, tax(0, 0, rate))
            total["amount"] += each["amount"]
            total["taxable_amount"] += each["taxable_amount"]
    return list(sums.values())


def _share(amount: int, rate: StripeObject, currency: str) -> int:
    return rounded(amount * Fraction(str(rate["percentage"])) / 100, currency)
