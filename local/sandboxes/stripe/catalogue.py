"""Products and prices: https://docs.stripe.com/api/products, https://docs.stripe.com/api/prices

A product's id may be given when it is created: here it is the SKU.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from local.sandboxes.stripe.account import PAGE, Account, StripeObject
from local.sandboxes.stripe.errors import ApiError, invalid_parameter, no_such
from local.sandboxes.stripe.parameters import (
    boolean,
    decimal,
    hash_of,
    integer,
    list_of,
    one_of,
    read_all,
    text,
)

PRICE_DATA = hash_of(
    {
        "currency": text(3),
        "product": text(),
        "recurring": hash_of(
            {"interval": one_of("day", "month", "week", "year"), "interval_count": integer(1)},
            required=("interval",),
        ),
        "tax_behavior": one_of("exclusive", "inclusive", "unspecified"),
        "unit_amount": integer(0),
        "unit_amount_decimal": decimal,
    },
    required=("currency", "product", "recurring"),
)
# https://docs.stripe.com/currencies: written in hundredths of a unit that is never divided, and
# in thousandths whose last digit is 0.
DIVISORS = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}


def add_product(account: Account, id: str, name: str, *, active: bool = True) -> StripeObject:
    """Put a product into the catalogue."""
    account.products[id] = {
        "id": id,
        "object": "product",
        "active": active,
        "created": account.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "tax_code": None,
        "updated": account.now(),
        "url": None,
    }
    return account.products[id]


def retrieve_product(account: Account, id: str) -> StripeObject:
    """`GET /v1/products/<id>`"""
    if id not in account.products:
        raise no_such("product", id, param="id")
    return account.products[id]


def list_products(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/products`, of given ids, active or not."""
    parameters = read_all(raw, {**PAGE, "ids": list_of(text()), "active": boolean})
    ids = parameters.get("ids")
    active = parameters.get("active")
    rows = [
        product
        for product in account.products.values()
        if (ids is None or product["id"] in ids) and active in (None, product["active"])
    ]
    return account.page(rows, parameters, "/v1/products")


def retrieve_price(account: Account, id: str) -> StripeObject:
    """`GET /v1/prices/<id>`"""
    if id not in account.prices:
        raise no_such("price", id, param="price")
    return account.prices[id]


def add_price(account: Account, data: dict[str, Any], param: str) -> StripeObject:
    """A price given in place with a subscription's item: active for that item alone."""
    product = account.products.get(data["product"])
    if product is None:
        name = f"{param}[product]"
        raise no_such("product", data["product"], param=name, status=400)
    if not product["active"]:
        message = f"The product {product['id']} is not active."
        raise ApiError(400, message, param=f"{param}[product]")
    currency = data["currency"].lower()
    amount = _unit_amount(data, param)
    divisor = DIVISORS.get(currency)
    if divisor and amount % divisor:
        message = f"{currency} amounts must be divisible by {divisor}."
        raise invalid_parameter(f"{param}[unit_amount]", message)
    recurring = data["recurring"]
    price = {
        "id": account.new_id("price"),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product["id"],
        "recurring": {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "usage_type": "licensed",
        },
        "tax_behavior": data.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        # https://docs.stripe.com/billing/subscriptions/decimal-amounts
        "unit_amount": None if amount % 1 else int(amount),
        "unit_amount_decimal": f"{amount:f}",
    }
    account.prices[price["id"]] = price
    return price


def _unit_amount(data: dict[str, Any], param: str) -> Decimal:
    given = [data[name] for name in ("unit_amount", "unit_amount_decimal") if name in data]
    if len(given) != 1:
        message = "Give exactly one of unit_amount and unit_amount_decimal."
        raise invalid_parameter(f"{param}[unit_amount]", message)
    return Decimal(given[0])
