"""The events of lead to order: all of one transaction, the demo's deal in dollars.

The deal is read from the Salesforce sandbox by the adapter, and each event after it is what the
rules make of those before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from interlock.canonical import Money, Opportunity, Order, OrderStatus, Task, WriteBack
from interlock.canonical.billing import Collection, Invoice, InvoiceStatus
from interlock.connections import Connection
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.crm import salesforce_events
from interlock.connectors.crm.salesforce import Salesforce
from interlock.connectors.erp.port import OrderContext
from interlock.events import Event
from interlock.remediation import exception_id
from interlock.rules import account_hierarchy, dunning, order_validation
from interlock.rules.account_hierarchy import AccountHierarchy

from local.paths import ROOT
from local.samples.aws import STATES, delivered, failure, message, plain
from local.sandboxes.salesforce import salesforce_sandbox
from local.sandboxes.salesforce_oauth import Authorization
from local.sandboxes.salesforce_seed import (
    CONSUMER_KEY,
    CONSUMER_SECRET,
    USD_DEAL,
    close_won,
    populate,
    register_interlock,
)
from local.sandboxes.salesforce_store import ORGANIZATION_ID, Organization

WON_AT = datetime(2026, 11, 23, 15, 4, 12, 318_000, tzinfo=UTC)
ACCEPTED_AT = datetime(2026, 11, 23, 15, 4, 41, tzinfo=UTC)
REMINDED_AT = datetime(2027, 1, 12, 9, tzinfo=UTC)
STATE_MACHINE = f"{STATES}:stateMachine:interlock-lead-to-order"
BILLABLE = ("PLATFORM-ANNUAL", "SEAT-ANNUAL")
ORDER_NUMBER = "SO-1"
DUNNING_POLICY = ROOT / "functions/workflow/decide_dunning/policy.toml"


class SandboxConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        """The app that the sandbox knows."""
        return {"client_id": CONSUMER_KEY, "client_secret": CONSUMER_SECRET}


class Sold(NamedTuple):
    """The deal: how it was told of, as it is, and the order that it becomes."""

    partner_event: dict[str, Any]
    deal: Opportunity
    hierarchy: AccountHierarchy
    order: Order


@cache
def sold() -> Sold:
    """The deal, once it is won."""
    partner_event, deal = _won_deal()
    hierarchy = account_hierarchy.validate(deal.accounts)
    order = order_validation.validate(deal, *_facts(deal), bill_to=hierarchy.bill_to)
    return Sold(partner_event, deal, hierarchy, order)


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    partner_event, deal, hierarchy, order = sold()
    [won] = salesforce_events.translate(
        partner_event,
        connection="salesforce",
        organisation=ORGANIZATION_ID,
        won_stages={"Closed Won"},
        lost_stages={"Closed Lost"},
    )
    payer = next(account for account in deal.accounts if account.id == hierarchy.bill_to)
    context, catalogue = _facts(deal)
    execution = f"{STATES}:execution:interlock-lead-to-order:{won.correlation_id}"
    task = Task(
        id=f"{order.id}/kickoff",
        subject=f"Kick off implementation for {deal.account.name}",
        body=f"Order {ORDER_NUMBER} starts on {order.start_date}.",
        customer_id=deal.account.id,
        customer_name=deal.account.name,
    )
    write_back = WriteBack(
        opportunity_id=order.id,
        status=OrderStatus.ACCEPTED,
        order_number=ORDER_NUMBER,
        subscription_id="sub_sched_1SWhZ4Kd8PqLxTn2",
        correlation_id=won.correlation_id,
    )
    overdue = {"account_id": payer.id, "invoices": (_unpaid(order),), "at": REMINDED_AT}
    policy = dunning.DunningPolicy.load(DUNNING_POLICY)
    flag = {"flag": dunning.decide(**overdue, policy=policy).flag, "round": 1}
    started = {"state_machine": STATE_MACHINE, "event": plain(won)}
    commands: dict[str, dict[str, Any]] = {
        "crm/get_opportunity": {"opportunity_id": order.id},
        "crm/write_back_order": {"write_back": write_back},
        "crm/verify_write_back": {"opportunity": deal, "write_back": write_back},
        "crm/revert_write_back": {"opportunity_id": order.id},
        "crm/flag_dunning": flag,
        "erp/get_order_context": {"opportunity": deal},
        "erp/match_customers": {"hierarchy": hierarchy},
        "erp/create_customer": {"account": hierarchy.accounts[0], "matched": None},
        "erp/deactivate_customer": {"account_id": deal.account.id},
        "erp/create_order": {"order": order},
        "erp/cancel_order": {"order_id": order.id},
        "erp/create_project": {"order": order},
        "erp/close_project": {"order_id": order.id},
        "billing/get_catalogue": {"opportunity": deal},
        "billing/create_customer": {"order": order, "account": payer},
        "billing/delete_customer": {"account": payer},
        "billing/create_subscription": {"order": order},
        "billing/cancel_subscription": {"order_id": order.id, "account_id": payer.id},
        "support/create_task": {"task": task},
        "support/close_task": {"task_id": task.id},
        "support/flag_dunning": flag,
        "workflow/decide_dunning": overdue,
        "workflow/validate_account_hierarchy": {"opportunity": deal},
        "workflow/validate_order": {
            "opportunity": deal,
            "context": context,
            "catalogue": catalogue,
            "hierarchy": hierarchy,
        },
        "exceptions/raise_exception": {
            "token": "AQCEAAAAKgAAAAMAAAAAAAAAAZ1",
            "execution": execution,
            "workflow": "interlock-lead-to-order",
            "step": "CreateErpOrder",
            "error": failure("VendorRejected", "tryton create_order: refused (status 400)"),
            "records": {"event": won, "opportunity": deal, "order": order},
            "escalations": 0,
        },
    }
    accepted = _accepted(won, deal, execution)
    return {name: plain(_of(won, command)) for name, command in commands.items()} | {
        "ingress/salesforce": message("interlock-salesforce-inbox", partner_event, WON_AT),
        "ingress/sweep_opportunities": {"dry_run": True},
        "workflow/start_execution": message("interlock-start", started, ACCEPTED_AT),
        "timeline/record_event": message("interlock-timeline", accepted, ACCEPTED_AT),
        "exceptions/list_exceptions": {"status": "open", "team": "RevOps"},
        "exceptions/resolve_exception": {
            "id": exception_id(execution, "CreateErpOrder"),
            "decision": {
                "action": "retry",
                "by": "mara.osei@tessaline.example",
                "reason": "The product's revenue account is set now.",
            },
        },
    }


def _won_deal() -> tuple[dict[str, Any], Opportunity]:
    """The partner event of the deal's winning, and the deal as the CRM's adapter reads it."""
    organization = Organization(clock=lambda: WON_AT)
    authorization = Authorization(organization)
    register_interlock(authorization)
    populate(organization)
    relayed: list[dict[str, Any]] = []
    organization.on_change = relayed.append
    close_won(organization, USD_DEAL.record_id)
    sandbox = salesforce_sandbox(organization, authorization).serve()
    try:
        connection = SandboxConnection(
            name="salesforce",
            vendor="salesforce",
            base_url=sandbox.url,
            secret_id="unused",  # noqa: S106 - the connection has its own
        )
        crm = Salesforce(connection)
        deal = crm.get_opportunity(
            connection.canonical_id(USD_DEAL.record_id),
            hierarchy_depth=account_hierarchy.MAX_DEPTH + 1,
        )
    finally:
        sandbox.close()
    [event] = relayed
    event["detail"]["payload"]["ChangeEventHeader"]["transactionKey"] = "00051f7c-93d2-ab10-4f53"
    return delivered(event, "6f0a4c1e-6a0b-4d0e-9a34-0d9a52f4c7be"), deal


def _facts(deal: Opportunity) -> tuple[OrderContext, Catalogue]:
    """What the demo company's ERP and billing answer about the deal."""
    skus = tuple(line.sku for line in deal.lines)
    context = OrderContext(
        subsidiary_currency=deal.currency,
        subsidiaries=("TESSALINE-DE", "TESSALINE-JP", "TESSALINE-US"),
        sellable_skus=skus,
        taxed_skus=skus,
        payment_days=30,
        period_open=True,
    )
    return context, Catalogue(billable_skus=BILLABLE)


def _unpaid(order: Order) -> Invoice:
    """The first invoice of the order's subscription, of which nobody has paid anything."""
    billed = Money.total(
        (line.amount for line in order.lines if line.sku in BILLABLE), order.currency
    )
    nothing = Money.of(0, order.currency)
    return Invoice(
        id="stripe:in_1SWhZ9Kd8PqLxTn2",
        number="LARKSPUR-0001",
        customer_id=order.bill_to,
        subsidiary=order.subsidiary,
        currency=order.currency,
        issued_on=order.start_date,
        due_on=order.start_date + timedelta(days=order.payment_days),
        lines=(),
        net=billed,
        tax=nothing,
        total=billed,
        balance_applied=nothing,
        debt_carried=nothing,
        order_id=order.id,
        collection=Collection(status=InvoiceStatus.OPEN, paid=nothing, remaining=billed),
    )


def _accepted(won: Event, deal: Opportunity, execution: str) -> dict[str, Any]:
    """The event that the workflow ends with, as a rule of the integration bus hands it on."""
    event = Event(
        id=f"{won.correlation_id}-order.accepted-{ORDER_NUMBER}",
        type="order.accepted",
        source="interlock",
        subject=won.subject,
        occurred_at=ACCEPTED_AT,
        correlation_id=won.correlation_id,
        causation_id=won.id,
        data={
            "order": ORDER_NUMBER,
            "total": {"amount": "56290.00", "currency": deal.currency},
            "customer": deal.account.name,
        },
    )
    told = {
        "version": "0",
        "detail-type": event.type,
        "source": event.source,
        "time": ACCEPTED_AT.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [execution, STATE_MACHINE],
        "detail": event,
    }
    return delivered(plain(told), "b1a7a5f2-5d8c-4c39-8b52-7f2f1d6f0c11")


def _of(won: Event, command: dict[str, Any]) -> dict[str, Any]:
    return {"correlation_id": won.correlation_id, **command}
