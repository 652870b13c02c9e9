"""Products and prices: https://docs.stripe.com/api/products, https://docs.stripe.com/api/prices

A product's id may be given when it is created: here it is the SKU. No price includes its tax.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject, existing
from local.sandboxes.stripe.amounts import DIVISORS
from local.sandboxes.stripe.errors import ApiError, invalid_parameter, no_such
from local.sandboxes.stripe.parameters import (
    Reader,
    boolean,
    decimal,
    hash_of,
    integer,
    list_of,
    metadata,
    one_of,
    read_all,
    text,
)

_PRICE: dict[str, Reader] = {
    "currency": text(3),
    "product": text(),
    "tax_behavior": one_of("exclusive", "unspecified"),
    "unit_amount": integer(0),
    "unit_amount_decimal": decimal,
}
_INTERVAL = {"interval": one_of("day", "month", "week", "year"), "interval_count": integer(1)}
_RECURRING = hash_of(_INTERVAL, required=("interval",))
_METERED = hash_of(
    {**_INTERVAL, "meter": text(), "usage_type": one_of("licensed", "metered")},
    required=("interval",),
)
ONE_TIME_PRICE_DATA = hash_of(_PRICE, required=("currency", "product"))
PRICE_DATA = hash_of(
    {**_PRICE, "recurring": _RECURRING}, required=("currency", "product", "recurring")
)


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


def retrieve_product(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/products/<id>`"""
    return account.retrieved(account.products, id, raw, "product")


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


def create_price(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/prices`: for a quantity, or for what a meter counts."""
    fields = {**EXPAND, **_PRICE, "metadata": metadata, "recurring": _METERED}
    parameters = read_all(raw, fields, required=("currency", "product"))
    recurring = parameters.get("recurring", {})
    is_metered = recurring.get("usage_type") == "metered"
    meters = [*account.meters] if is_metered else [None]
    if recurring.get("meter") not in meters:
        message = "A metered price, and no other, has a meter that exists."
        raise invalid_parameter("recurring[meter]", message)
    price = add_price(account, parameters)
    price["active"] = True
    return account.expanded(price, parameters)


def rhythm(price: StripeObject) -> tuple[str, str, int]:
    """What the prices of a subscription have in common here: currency, interval, and how many."""
    recurring = price["recurring"]
    return price["currency"], recurring["interval"], recurring["interval_count"]


def retrieve_price(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/prices/<id>`"""
    return account.retrieved(account.prices, id, raw, "price")


def chosen_price(account: Account, item: dict[str, Any], param: str) -> StripeObject:
    """The price of an item, given by its id or in place; one given in place is used once.

    https://docs.stripe.com/billing/subscriptions/subscription-schedules#installment-plans
    """
    if ("price" in item) == ("price_data" in item):
        raise invalid_parameter(f"{param}[price]", "Give either a price or the data of one.")
    if "price_data" in item:
        return add_price(account, item["price_data"], f"{param}[price_data]")
    name = f"{param}[price]"
    price = existing(account.prices, item["price"], "price", param=name, status=400)
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise ApiError(400, message, param=name)
    return price


def add_price(account: Account, data: dict[str, Any], param: str = "") -> StripeObject:
    """A price, as given in place with an item (`param`): active for that item alone."""
    product = account.products.get(data["product"])
    name = f"{param}[product]" if param else "product"
    if product is None:
        raise no_such("product", data["product"], param=name, status=400)
    if not product["active"]:
        raise ApiError(400, f"The product {product['id']} is not active.", param=name)
    currency = data["currency"].lower()
    amount = _unit_amount(data, param)
    divisor = DIVISORS.get(currency)
    if divisor and amount % divisor:
        message = f"{currency} amounts must be divisible by {divisor}."
        raise invalid_parameter(f"{param}[unit_amount]", message)
    recurring = data.get("recurring")
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
        "metadata": data.get("metadata", {}),
        "nickname": None,
        "product": product["id"],
        "recurring": recurring
        and {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": recurring.get("meter"),
            "usage_type": recurring.get("usage_type", "licensed"),
        },
        "tax_behavior": data.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
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
