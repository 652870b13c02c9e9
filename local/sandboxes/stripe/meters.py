"""Usage: https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api

Stripe takes a meter event at once and finds out later that its customer or its value is none: such
an event counts nowhere here. https://docs.stripe.com/api/billing/meter-event/create

Unconfirmed: that an identifier which was used in the last 24 hours is refused, and the wording.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from local.sandboxes.stripe.account import EXPAND, PAGE, Account, StripeObject, as_list, existing
from local.sandboxes.stripe.agenda import DAY, HOUR
from local.sandboxes.stripe.errors import ApiError, invalid_parameter
from local.sandboxes.stripe.parameters import (
    hash_of,
    integer,
    metadata,
    one_of,
    read_all,
    text,
)

OLDEST = 35 * DAY
NEWEST = 5 * 60
UNIQUE_FOR = DAY
CUSTOMER_KEY, VALUE_KEY = "stripe_customer_id", "value"
FORMULAS: dict[str, Callable[[list[Decimal]], Decimal | int]] = {
    "count": len,
    "last": lambda values: values[-1] if values else 0,
    "sum": sum,
}
WINDOWS = {"day": DAY, "hour": HOUR}


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/billing/meters`"""
    mapping = {"event_payload_key": text(100), "type": one_of("by_id")}
    formula = {"formula": one_of(*FORMULAS)}
    fields = {
        **EXPAND,
        "customer_mapping": hash_of(mapping, required=tuple(mapping)),
        "default_aggregation": hash_of(formula, required=("formula",)),
        "display_name": text(250),
        "event_name": text(100),
        "value_settings": hash_of({"event_payload_key": text(100)}),
    }
    names = ("default_aggregation", "display_name", "event_name")
    parameters = read_all(raw, fields, required=names)
    if _meter(account, parameters["event_name"]):
        raise ApiError(400, "There is an active meter with this event name.", param="event_name")
    meter = add(
        account,
        parameters["event_name"],
        parameters["display_name"],
        formula=parameters["default_aggregation"]["formula"],
        customer_key=parameters.get("customer_mapping", {}).get("event_payload_key", CUSTOMER_KEY),
        value_key=parameters.get("value_settings", {}).get("event_payload_key", VALUE_KEY),
    )
    return account.expanded(meter, parameters)


def add(
    account: Account,
    event_name: str,
    display_name: str,
    *,
    formula: str = "sum",
    customer_key: str = CUSTOMER_KEY,
    value_key: str = VALUE_KEY,
) -> StripeObject:
    """Put a meter into the account."""
    meter = {
        "id": account.new_id("mtr"),
        "object": "billing.meter",
        "created": account.now(),
        "customer_mapping": {"event_payload_key": customer_key, "type": "by_id"},
        "default_aggregation": {"formula": formula},
        "display_name": display_name,
        "event_name": event_name,
        "event_time_window": None,
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": account.now(),
        "value_settings": {"event_payload_key": value_key},
    }
    account.meters[meter["id"]] = meter
    return meter


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/billing/meters/<id>`"""
    return account.retrieved(account.meters, id, raw, "meter")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/billing/meters`"""
    return account.listed(account.meters.values(), raw, "/v1/billing/meters", "status")


def create_event(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/billing/meter_events`"""
    fields = {
        **EXPAND,
        "event_name": text(100),
        "identifier": text(100),
        "payload": metadata,
        "timestamp": integer(),
    }
    parameters = read_all(raw, fields, required=("event_name", "payload"))
    meter = _meter(account, parameters["event_name"])
    if meter is None:
        message = f"No active meter found for event name: {parameters['event_name']}"
        raise invalid_parameter("event_name", message)
    moment = parameters.get("timestamp", account.now())
    if not account.now() - OLDEST <= moment <= account.now() + NEWEST:
        message = "The timestamp must be within the past 35 days or up to 5 minutes in the future."
        raise invalid_parameter("timestamp", message)
    keys = [meter[name]["event_payload_key"] for name in ("customer_mapping", "value_settings")]
    if missing := [key for key in keys if key not in parameters["payload"]]:
        raise invalid_parameter("payload", f"The payload has no {' and no '.join(missing)}.")
    identifier = parameters.get("identifier") or account.new_id("identifier")
    used = account.meter_identifiers.get(identifier)
    if used is not None and used > account.now() - UNIQUE_FOR:
        message = f"An event already exists with identifier {identifier}."
        raise ApiError(400, message, param="identifier")
    event = {
        "object": "billing.meter_event",
        "created": account.now(),
        "event_name": meter["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": parameters["payload"],
        "timestamp": moment,
    }
    account.meter_identifiers[identifier] = account.now()
    account.meter_events.append(event)
    return event


def summaries(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/billing/meters/<id>/event_summaries`: what a customer used, in windows or in all."""
    fields = {
        **PAGE,
        **EXPAND,
        "customer": text(),
        "end_time": integer(0),
        "start_time": integer(0),
        "value_grouping_window": one_of(*WINDOWS),
    }
    parameters = read_all(raw, fields, required=("customer", "end_time", "start_time"))
    meter = existing(account.meters, id, "meter")
    begin, finish = parameters["start_time"], parameters["end_time"]
    if begin % 60 or finish % 60 or finish <= begin:
        raise invalid_parameter("start_time", "Times must be whole minutes, one after the other.")
    step = WINDOWS.get(parameters.get("value_grouping_window"), finish - begin)
    rows = [
        _summary(account, meter, parameters["customer"], start, min(start + step, finish))
        for start in range(begin, finish, step)
    ]
    url = f"/v1/billing/meters/{id}/event_summaries"
    if step == finish - begin:
        return as_list(rows, url)
    return account.page([row for row in rows if row["aggregated_value"]], parameters, url)


def used(
    account: Account, meter: StripeObject, customer: str, start: int, end: int
) -> Decimal | int:
    """What a customer used from `start` until before `end`."""
    key = meter["customer_mapping"]["event_payload_key"]
    values = [
        value
        for event in sorted(account.meter_events, key=lambda event: event["timestamp"])
        if event["event_name"] == meter["event_name"]
        and event["payload"][key] == customer
        and start <= event["timestamp"] < end
        and (value := _value(meter, event)) is not None
    ]
    return FORMULAS[meter["default_aggregation"]["formula"]](values)


def _meter(account: Account, event_name: str) -> StripeObject | None:
    return next(
        (
            meter
            for meter in account.meters.values()
            if meter["event_name"] == event_name and meter["status"] == "active"
        ),
        None,
    )


def _summary(
    account: Account, meter: StripeObject, customer: str, start: int, end: int
) -> StripeObject:
    return {
        "id": f"mtrusg_{meter['id']}_{start}",
        "object": "billing.meter_event_summary",
        "aggregated_value": float(used(account, meter, customer, start, end)),
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }


def _value(meter: StripeObject, event: StripeObject) -> Decimal | None:
    try:
        value = Decimal(event["payload"][meter["value_settings"]["event_payload_key"]])
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
