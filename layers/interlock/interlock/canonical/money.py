"""Exact money: a Decimal amount with an ISO 4217 currency and that currency's exponent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    field_serializer,
    field_validator,
    model_validator,
)

# ISO 4217 list one: the active currencies, by how many decimals their minor unit has.
# https://www.six-group.com/en/products-services/financial-information/data-standards.html
_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
          CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
          GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
          LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
          NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
          SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
          XCD XCG YER ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# In major units. Beyond it is a mistake, and below it arithmetic is exact.
_LIMIT = Decimal(10) ** 18
_PRICE_LIMIT = Decimal(10) ** 12
PRICE_DECIMALS = 12
# Enough digits for any price times any quantity.
EXACTLY = Context(prec=60)

EXPONENTS = {code: exp for exp, codes in _BY_EXPONENT.items() for code in codes.split()}


def _known(code: str) -> str:
    if code not in EXPONENTS:
        raise ValueError("not an active ISO 4217 currency code")
    return code


Currency = Annotated[str, AfterValidator(_known)]


class _Amount(BaseModel):
    """A decimal amount of a currency, in major units (12.50 USD, 1250 JPY); never a float."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Decimal
    currency: Currency

    @field_validator("amount", mode="before")
    @classmethod
    def _no_float(cls, value: Any) -> Any:
        if isinstance(value, float):
            raise ValueError("money is never a float: give a decimal or a string")
        return value

    @classmethod
    def of(cls, amount: Decimal | int | str, currency: str) -> Self:
        """`Money.of("12.50", "USD")`. Raises pydantic.ValidationError for a bad amount."""
        return cls(amount=amount, currency=currency)

    def times(self, factor: Decimal | int) -> Money:
        """The amount times a factor, rounded as `Money.rounded` does."""
        return Money.rounded(EXACTLY.multiply(self.amount, Decimal(factor)), self.currency)

    def __str__(self) -> str:
        return f"{self.amount:,f} {self.currency}"


class Money(_Amount):
    """An amount that its currency can express: no fraction of a minor unit.

    `minor_units` converts to a whole number of them.
    """

    @model_validator(mode="after")
    def _expressible(self) -> Self:
        if not self.amount.is_finite() or abs(self.amount) >= _LIMIT:
            raise ValueError("money is a finite amount below 10^18")
        # One spelling per amount (12.5 is 12.50 and -0 is 0), so that hashes of payloads agree.
        amount = self.amount.quantize(self.quantum) + 0
        if self.amount != amount:
            raise ValueError(f"more decimals than {self.currency} has")
        object.__setattr__(self, "amount", amount)
        return self

    @property
    def quantum(self) -> Decimal:
        """The smallest amount of the currency, in major units: 0.01 for USD, 1 for JPY."""
        return Decimal(1).scaleb(-EXPONENTS[self.currency])

    @classmethod
    def rounded(cls, amount: Decimal, currency: str) -> Money:
        """The nearest expressible amount, halves away from zero (the rule on invoices)."""
        quantum = Decimal(1).scaleb(-EXPONENTS[_known(currency)])
        rounded = amount.quantize(quantum, rounding=ROUND_HALF_UP, context=EXACTLY)
        return cls(amount=rounded, currency=currency)

    @classmethod
    def from_minor_units(cls, units: int, currency: str) -> Money:
        """1250 of USD are 12.50, of JPY 1250, of KWD 1.250."""
        return cls(amount=Decimal(units).scaleb(-EXPONENTS[_known(currency)]), currency=currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of amounts, all of this currency; zero when there are none."""
        return sum(amounts, cls(amount=Decimal(0), currency=currency))

    @property
    def minor_units(self) -> int:
        """The amount as a whole number of the currency's smallest unit."""
        return int(self.amount.scaleb(EXPONENTS[self.currency]))

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=-self.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        return self + -other


class UnitPrice(_Amount):
    """The price of one unit, exactly: up to twelve decimals, whatever its currency has.

    99.99 USD less 15 % are 84.9915 USD; only the price of a quantity, `times`, is Money.
    """

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not self.amount.is_finite() or abs(self.amount) >= _PRICE_LIMIT:
            raise ValueError("a unit price is a finite amount below 10^12")
        amount = self.amount.quantize(Decimal(1).scaleb(-PRICE_DECIMALS))
        if self.amount != amount:
            raise ValueError(f"a unit price has at most {PRICE_DECIMALS} decimals")
        # One spelling per price: the currency's decimals, and more only where they say something.
        decimals = max(EXPONENTS[self.currency], -amount.normalize().as_tuple().exponent)
        amount = amount.quantize(Decimal(1).scaleb(-decimals)) + 0
        object.__setattr__(self, "amount", amount)
        return self

    @field_serializer("amount", when_used="json")
    def _plain(self, amount: Decimal) -> str:
        """Without an exponent, which a Decimal has in its own spelling from 1E-7 down."""
        return f"{amount:f}"
