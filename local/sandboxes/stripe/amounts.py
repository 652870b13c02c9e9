"""Amounts in a currency's smallest unit: https://docs.stripe.com/currencies"""

from __future__ import annotations

from fractions import Fraction

# Written in hundredths of a unit that is never divided, and in thousandths whose last digit is 0.
DIVISORS = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}


def rounded(amount: Fraction, currency: str) -> int:
    """The nearest amount that can be charged; a half goes away from zero."""
    divisor = DIVISORS.get(currency, 1)
    steps = int(abs(amount) / divisor + Fraction(1, 2))
    return steps * divisor * (-1 if amount < 0 else 1)
