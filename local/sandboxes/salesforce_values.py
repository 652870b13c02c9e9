"""The values of the Salesforce sandbox's fields: their types, and what is made of several."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

Fields = dict[str, Any]


def address(row: Fields) -> Fields | None:
    """The compound field: the parts of an address under short names, None when all are empty.

    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/compound_fields_address.htm
    """
    parts = ("City", "Country", "CountryCode", "PostalCode", "State", "StateCode", "Street")
    address = {part[0].lower() + part[1:]: row[f"Billing{part}"] for part in parts}
    if not any(address.values()):
        return None
    return address | {"geocodeAccuracy": None, "latitude": None, "longitude": None}


def folded(value: Any) -> Any:
    """A value without the case of its letters, as it is compared."""
    return value.casefold() if isinstance(value, str) else value


def converted(type_name: str, value: Any) -> Any:
    """A JSON value in the type of its field; raises ValueError when it is not one."""
    if type_name in ("double", "currency", "percent", "int"):
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise ValueError("not a number")
        return Decimal(str(value))
    if type_name == "boolean":
        if not isinstance(value, bool):
            raise ValueError("not a boolean")
        return value
    if type_name == "date":
        return date.fromisoformat(value)
    if type_name == "datetime":
        return datetime.fromisoformat(value)
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value
