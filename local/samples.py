"""Writes the event that each function can be invoked with: `python -m local.samples`.

All belong to one transaction, the demo's deal in dollars: the deal is read from the Salesforce
sandbox by the adapter, and each event after it is what the rules make of those before.
`interlock invoke` and `sam local invoke` take them; identities of AWS in them are examples.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from interlock.canonical import Canonical, Opportunity, OrderStatus, Task, WriteBack
from interlock.connections import Connection
from interlock.connectors.billing.port import Catalogue
from interlock.connectors.crm import salesforce_events
from interlock.connectors.crm.salesforce import Salesforce
from interlock.connectors.erp.port import OrderContext
from interlock.events import Event
from interlock.remediation import exception_id
from interlock.rules import account_hierarchy, order_validation

from local.paths import ROOT
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

EVENTS = ROOT / "events"
COMMAND = "python -m local.samples"

WON_AT = datetime(2026, 11, 23, 15, 4, 12, 318_000, tzinfo=UTC)
ACCEPTED_AT = datetime(2026, 11, 23, 15, 4, 41, tzinfo=UTC)
REGION = "us-east-1"
ACCOUNT = "123456789012"
STATES = f"arn:aws:states:{REGION}:{ACCOUNT}"
STATE_MACHINE = f"{STATES}:stateMachine:interlock-lead-to-order"
BILLABLE = ("PLATFORM-ANNUAL", "SEAT-ANNUAL")
ORDER_NUMBER = "SO-1"


class SandboxConnection(Connection):
    """A connection whose secret needs no Secrets Manager."""

    def secret(self) -> dict[str, str]:
        """The app that the sandbox knows."""
        return {"client_id": CONSUMER_KEY, "client_secret": CONSUMER_SECRET}


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    partner_event, deal = _won_deal()
    [won] = salesforce_events.translate(
        partner_event,
        connection="salesforce",
        organisation=ORGANIZATION_ID,
        won_stages={"Closed Won"},
    )
    hierarchy = account_hierarchy.validate(deal.accounts)
    payer = next(account for account in deal.accounts if account.id == hierarchy.bill_to)
    context, catalogue = _facts(deal)
    order = order_validation.validate(deal, context, catalogue, bill_to=payer.id)
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
    started = {"state_machine": STATE_MACHINE, "event": _plain(won)}
    commands: dict[str, dict[str, Any]] = {
        "crm/get_opportunity": {"opportunity_id": order.id},
        "crm/write_back_order": {"write_back": write_back},
        "crm/verify_write_back": {"opportunity": deal, "write_back": write_back},
        "crm/revert_write_back": {"opportunity_id": order.id},
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
            "error": _failure("VendorRejected", "tryton create_order: refused (status 400)"),
            "records": {"event": won, "opportunity": deal, "order": order},
            "escalations": 0,
        },
    }
    accepted = _accepted(won, deal, execution)
    return {name: _plain(_of(won, command)) for name, command in commands.items()} | {
        "ingress/salesforce": _message("interlock-salesforce-inbox", partner_event),
        "ingress/sweep_opportunities": {"dry_run": True},
        "workflow/start_execution": _message("interlock-start", started),
        "timeline/record_event": _message("interlock-timeline", accepted),
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


def text(sample: dict[str, Any]) -> str:
    """An event as its file has it."""
    return json.dumps(sample, indent=2, ensure_ascii=False) + "\n"


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
    return _delivered(event, "6f0a4c1e-6a0b-4d0e-9a34-0d9a52f4c7be"), deal


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
    return _delivered(_plain(told), "b1a7a5f2-5d8c-4c39-8b52-7f2f1d6f0c11")


def _delivered(event: dict[str, Any], event_id: str) -> dict[str, Any]:
    return event | {"id": event_id, "account": ACCOUNT, "region": REGION}


def _failure(error: str, message: str) -> dict[str, str]:
    """A function's error as a state machine sees it."""
    return {"Error": error, "Cause": json.dumps({"errorMessage": message, "errorType": error})}


def _of(won: Event, command: dict[str, Any]) -> dict[str, Any]:
    return {"correlation_id": won.correlation_id, **command}


def _message(queue: str, content: dict[str, Any]) -> dict[str, Any]:
    """A batch of one message, as SQS gives it to a function.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    body = json.dumps(content)
    sent = f"{ACCEPTED_AT.timestamp() * 1000:.0f}"
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": sent,
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": sent,
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }
    return {"Records": [record]}


def _plain(value: Any) -> Any:
    """JSON values alone."""
    if isinstance(value, Canonical):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def main() -> None:
    """Write every event's file."""
    for name, sample in samples().items():
        path = EVENTS / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(sample))
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
