"""Subscription schedules: https://docs.stripe.com/api/subscription_schedules

A schedule starts its subscription on its start date, which may be past, now or to come, and changes
it when a phase begins. What an update changes of the current phase is changed at once. In its last
phase, a subscription that ends with it knows when: what is charged beyond that is given back.
https://docs.stripe.com/billing/subscriptions/subscription-schedules

Unconfirmed: that a phase which sets the billing cycle anew gives back the unused time, if it is to,
on the invoice of the new period.
"""

from __future__ import annotations

from typing import Any

from local.sandboxes.stripe import (
    collection,
    customers,
    events,
    payment_methods,
    prorations,
    schedule_phases,
    subscriptions,
)
from local.sandboxes.stripe.account import (
    EXPAND,
    Account,
    StripeObject,
    existing,
    live_customer,
)
from local.sandboxes.stripe.errors import (
    ApiError,
    invalid_parameter,
    missing_parameter,
)
from local.sandboxes.stripe.parameters import (
    Reader,
    boolean,
    hash_of,
    integer,
    metadata,
    one_of,
    read_all,
    text,
    timestamp_or_now,
)

DEFAULT_SETTINGS = hash_of(
    {
        "automatic_tax": schedule_phases.AUTOMATIC_TAX,
        "billing_cycle_anchor": one_of("automatic", "phase_start"),
        "collection_method": one_of("charge_automatically", "send_invoice"),
        "default_payment_method": text(),
        "description": text(500),
        "invoice_settings": hash_of({"days_until_due": integer(0)}),
    }
)


_TAKEN_OVER = ("collection_method", "default_payment_method", "description")


def _fields(account: Account) -> dict[str, Reader]:
    return {
        **EXPAND,
        "default_settings": DEFAULT_SETTINGS,
        "end_behavior": one_of("cancel", "release"),
        "metadata": metadata,
        "phases": schedule_phases.parameters(account),
    }


def create(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules`"""
    if "from_subscription" in raw:
        return _take_over(account, raw)
    fields = {
        **_fields(account),
        "billing_mode": hash_of({"type": one_of("classic", "flexible")}, required=("type",)),
        "customer": text(),
        "start_date": timestamp_or_now(account.clock),
    }
    parameters = read_all(raw, fields, required=("customer", "phases", "start_date"))
    customer = live_customer(account, parameters["customer"])
    defaults = parameters.get("default_settings", {})
    _check_collection(customer, defaults)
    schedule = _schedule(
        account,
        billing_mode=parameters.get("billing_mode", {"type": "flexible"}),
        customer=customer["id"],
        default_settings=_default_settings(account, customer, defaults),
        end_behavior=parameters.get("end_behavior", "release"),
        metadata=parameters.get("metadata", {}),
        phases=schedule_phases.made(account, parameters["phases"], parameters["start_date"]),
    )
    _plan(account, schedule)
    account.agenda.catch_up()
    return account.expanded(schedule, parameters)


def _take_over(account: Account, raw: dict[str, Any]) -> StripeObject:
    """A schedule of a subscription that has none: its phase is the current billing period."""
    parameters = read_all(raw, {**EXPAND, "from_subscription": text()})
    subscription = subscriptions.live(account, parameters["from_subscription"])
    if subscription["schedule"]:
        message = f"It is already attached to the schedule {subscription['schedule']}."
        raise invalid_parameter("from_subscription", message)
    item = subscription["items"]["data"][0]
    phase = schedule_phases.of_subscription(
        account, subscription, item["current_period_start"], item["current_period_end"]
    )
    schedule = _schedule(
        account,
        billing_mode=subscription["billing_mode"],
        current_phase=schedule_phases.window(phase),
        customer=subscription["customer"],
        default_settings=_default_settings(
            account,
            account.customers[subscription["customer"]],
            {
                **{name: subscription[name] for name in _TAKEN_OVER},
                "automatic_tax": {"enabled": subscription["automatic_tax"]["enabled"]},
                "invoice_settings": {"days_until_due": subscription["days_until_due"]},
            },
        ),
        phases=[phase],
        status="active",
        subscription=subscription["id"],
    )
    subscription["schedule"] = schedule["id"]
    _plan(account, schedule)
    return account.expanded(schedule, parameters)


def update(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>`: all current and future phases, or none of them."""
    behavior = one_of(*schedule_phases.BEHAVIORS)
    parameters = read_all(raw, {**_fields(account), "proration_behavior": behavior})
    schedule = _open(account, id, "updated")
    given = parameters.get("phases")
    past, phases = [], None
    if given is not None:
        past, phases = _phases(account, schedule, given)
    if "default_settings" in parameters:
        customer = account.customers[schedule["customer"]]
        changed = _default_settings(account, customer, parameters["default_settings"])
        own = {name: changed[name] for name in parameters["default_settings"]}
        schedule["default_settings"] = schedule["default_settings"] | own
    if "metadata" in parameters:
        told = customers.merged(schedule["metadata"], parameters["metadata"])
        schedule["metadata"] = told
    schedule["end_behavior"] = parameters.get("end_behavior", schedule["end_behavior"])
    if phases is not None:
        schedule["phases"] = [*past, *phases]
    if schedule["status"] == "active":
        before = schedule["current_phase"]
        now = [phase for phase in schedule["phases"] if phase["start_date"] <= account.now()][-1]
        schedule["current_phase"] = schedule_phases.window(now)
        begins = before["start_date"] != now["start_date"]
        _enter(
            account,
            schedule,
            parameters.get("proration_behavior", "create_prorations"),
            anew=begins and _is_anchored(schedule, now),
        )
    events.emit(account, "subscription_schedule.updated", schedule)
    _plan(account, schedule)
    account.agenda.catch_up()
    return account.expanded(schedule, parameters)


def _phases(
    account: Account, schedule: StripeObject, given: list[dict[str, Any]]
) -> tuple[list[StripeObject], list[StripeObject]]:
    """The phases that are past, and those of a request to update. Raises ApiError."""
    name = "phases[0][start_date]"
    if not given or "start_date" not in given[0]:
        raise missing_parameter(name)
    start = given[0]["start_date"]
    past = []
    if schedule["status"] == "active":
        current = schedule["current_phase"]["start_date"]
        if start != current:
            message = "You can not modify the start date of the current phase."
            raise invalid_parameter(name, message)
        past = [phase for phase in schedule["phases"] if phase["start_date"] < current]
    phases = schedule_phases.made(account, given, start)
    ended = [phase for phase in phases if phase["end_date"] <= account.now()]
    if len(ended) == len(phases) or any(phase["end_date"] < account.now() for phase in ended):
        raise invalid_parameter("phases[0][end_date]", "A phase cannot end in the past.")
    return past, phases


def retrieve(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscription_schedules/<id>`"""
    return account.retrieved(account.schedules, id, raw, "subscription schedule")


def list_all(account: Account, raw: dict[str, Any]) -> StripeObject:
    """`GET /v1/subscription_schedules`, of one customer where one is given, in every status."""
    rows = account.schedules.values()
    return account.listed(rows, raw, "/v1/subscription_schedules", "customer")


def cancel(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>/cancel`: its subscription is cancelled with it."""
    parameters = read_all(raw, {**EXPAND, "invoice_now": boolean, "prorate": boolean})
    schedule = _open(account, id, "canceled")
    subscription = account.subscriptions.get(schedule["subscription"])
    schedule.update(status="canceled", canceled_at=account.now(), current_phase=None)
    events.emit(account, "subscription_schedule.canceled", schedule)
    if subscription:
        terms = {name: parameters.get(name, True) for name in ("invoice_now", "prorate")}
        subscriptions.end(account, subscription, **terms)
    return account.expanded(schedule, parameters)


def release(account: Account, id: str, raw: dict[str, Any]) -> StripeObject:
    """`POST /v1/subscription_schedules/<id>/release`: its subscription goes on without it."""
    parameters = read_all(raw, {**EXPAND, "preserve_cancel_date": boolean})
    schedule = _open(account, id, "released")
    _release(account, schedule)
    return account.expanded(schedule, parameters)


def _plan(account: Account, schedule: StripeObject) -> None:
    """Do what is next at its time, before a subscription begins the period of that moment."""
    phase = schedule["current_phase"]
    moment = phase["end_date"] if phase else schedule["phases"][0]["start_date"]
    account.agenda.at(moment, lambda: _advance(account, schedule, moment), first=True)


def _advance(account: Account, schedule: StripeObject, moment: int) -> None:
    """Start it, or go on to the next phase, if that is still to be done at this moment."""
    if schedule["status"] == "not_started" and schedule["phases"][0]["start_date"] == moment:
        schedule["current_phase"] = schedule_phases.window(schedule["phases"][0])
        schedule["subscription"] = subscriptions.start(account, schedule)["id"]
        schedule["status"] = "active"
        _plan(account, schedule)
    elif schedule["status"] == "active" and schedule["current_phase"]["end_date"] == moment:
        if phase := schedule_phases.following(schedule):
            schedule["current_phase"] = schedule_phases.window(phase)
            anew = _is_anchored(schedule, phase)
            _enter(account, schedule, phase["proration_behavior"], anew=anew)
            events.emit(account, "subscription_schedule.updated", schedule)
            _plan(account, schedule)
        else:
            _finish(account, schedule)


def _is_anchored(schedule: StripeObject, phase: StripeObject) -> bool:
    """Whether the billing cycle begins anew with a phase."""
    default = schedule["default_settings"]["billing_cycle_anchor"]
    return (phase["billing_cycle_anchor"] or default) == "phase_start"


def _enter(account: Account, schedule: StripeObject, behavior: str, *, anew: bool) -> None:
    """Let the subscription be as its current phase says, with a new billing cycle or not."""
    subscription = account.subscriptions[schedule["subscription"]]
    phase = schedule_phases.current(schedule)
    subscription.update(schedule_phases.settings_of(schedule, phase))
    if phase["metadata"]:
        told = customers.merged(subscription["metadata"], phase["metadata"])
        subscription["metadata"] = told
    changes = schedule_phases.changes(account, subscription, phase)
    ends = subscription["items"]["data"][0]["current_period_end"] == account.now()
    if anew and not ends and behavior != "none":
        prorations.credit_unused(account, subscription, account.now())
    if anew:
        subscription["billing_cycle_anchor"] = account.now()
    # A period that begins now is charged as a whole.
    adjusts = "none" if anew or ends else behavior
    prorations.change(account, subscription, changes, account.now(), adjusts)
    prorations.move_end(account, subscription, schedule_phases.ends_at(schedule), adjusts)
    if anew and not ends:
        subscriptions.begin_period(account, subscription)
    prorations.invoice(account, subscription, adjusts)
    events.emit(account, "customer.subscription.updated", subscription)


def _finish(account: Account, schedule: StripeObject) -> None:
    if schedule["end_behavior"] == "release":
        _release(account, schedule)
        return
    subscription = account.subscriptions[schedule["subscription"]]
    subscriptions.end(account, subscription, invoice_now=True)
    schedule.update(status="completed", completed_at=account.now(), current_phase=None)
    events.emit(account, "subscription_schedule.completed", schedule)


def _release(account: Account, schedule: StripeObject) -> None:
    subscription = account.subscriptions.get(schedule["subscription"])
    if subscription:
        subscription.update(schedule=None, cancel_at=None)
    schedule.update(
        status="released",
        released_at=account.now(),
        released_subscription=schedule["subscription"],
        subscription=None,
        current_phase=None,
    )
    events.emit(account, "subscription_schedule.released", schedule)


def _open(account: Account, id: str, wanted: str) -> StripeObject:
    schedule = existing(account.schedules, id, "subscription schedule")
    if schedule["status"] not in ("not_started", "active"):
        message = f"A schedule in status {schedule['status']} cannot be {wanted}."
        raise ApiError(400, message)
    return schedule


def _check_collection(customer: StripeObject, defaults: dict[str, Any]) -> None:
    if defaults.get("collection_method") != "send_invoice":
        own = customer["invoice_settings"]["default_payment_method"]
        if not (own or defaults.get("default_payment_method")):
            message = "This customer has no attached payment source or default payment method."
            raise ApiError(400, message, code="resource_missing")
        return
    name = "default_settings[invoice_settings][days_until_due]"
    if "days_until_due" not in defaults.get("invoice_settings", {}):
        raise missing_parameter(name)
    if not customer["email"]:
        message = "Missing email: invoices are sent only to a customer with a valid email."
        raise ApiError(400, message)


def _schedule(account: Account, **fields: Any) -> StripeObject:
    """A new schedule; `fields` are those that are not usual."""
    schedule = {
        "id": account.new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "canceled_at": None,
        "completed_at": None,
        "created": account.now(),
        "current_phase": None,
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": None,
        **fields,
    }
    account.schedules[schedule["id"]] = schedule
    events.emit(account, "subscription_schedule.created", schedule)
    return schedule


def _default_settings(
    account: Account, customer: StripeObject, defaults: dict[str, Any]
) -> StripeObject:
    method = defaults.get("default_payment_method")
    if method:
        method = payment_methods.attached(account, method, customer["id"])["id"]
    return {
        "application_fee_percent": None,
        "automatic_tax": schedule_phases.automatic_tax(
            defaults.get("automatic_tax", {"enabled": False})
        ),
        "billing_cycle_anchor": defaults.get("billing_cycle_anchor", "automatic"),
        "billing_thresholds": None,
        "collection_method": defaults.get("collection_method", collection.CHARGED),
        "default_payment_method": method,
        "description": defaults.get("description"),
        "invoice_settings": {
            "account_tax_ids": None,
            "days_until_due": defaults.get("invoice_settings", {}).get("days_until_due"),
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }
