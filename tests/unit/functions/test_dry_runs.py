"""No function writes in a dry run: neither to its vendor, nor anything but plans to the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
from interlock import aws
from interlock.canonical import Command, Customer, Money, Opportunity, WriteBack
from interlock.canonical.books import Cleared, FactsPage, PostedDocument
from interlock.connectors.billing.port import BalanceLines, BillingPort
from interlock.connectors.crm.port import CrmPort
from interlock.connectors.erp.port import CustomerCandidate, ErpPort
from interlock.connectors.support.port import SupportPort
from interlock.crossref import CrossReferences
from interlock.effects import Ledger

from local.project import functions
from tests.infrastructure import handlers
from tests.unit import finance_samples
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module, sample

PORTS = {"billing": BillingPort, "crm": CrmPort, "erp": ErpPort, "support": SupportPort}
READS = ("find_", "get_", "read_", "overdue_", "payout_lines", "cleared_", "facts")
DRY_RUN = "T1-dry-run-1"

CONNECTORS = sorted(
    function.name
    for function in functions().values()
    if function.area in PORTS and issubclass(handlers.command_type(function), Command)
)
# An attempt whose outcome nobody knows: a write looks it up, a compensation takes it back.
OPEN_CLAIM = {"state": "INTENT", "lease_until": 0, "intended_hash": "of something", "fence": 1}


def port_of(area: str, command: dict[str, Any]) -> Mock:
    """A system with one customer, whose other records cannot be found."""
    port = create_autospec(PORTS[area], instance=True)
    for name in dir(PORTS[area]):
        if name.startswith(READS):
            getattr(port, name).return_value = None
    if area in ("billing", "erp"):
        port.get_customer.return_value = Customer(id="vendor:7", remote_id="7", name="Larkspur")
        port.facts.return_value = FactsPage(facts=(), next=None)
        port.find_facts.return_value = ()
    if area == "billing":
        port.overdue_invoices.return_value = ()
        window = finance_samples.window(read_at=datetime(2026, 12, 2, tzinfo=UTC))
        port.get_usage_windows.return_value = (window,)
        port.payout_lines.return_value = BalanceLines(lines=(), next=None)
    if area == "erp":
        port.get_document.return_value = PostedDocument.model_construct(remote_id="7")
        cleared = Cleared(subsidiary="TESSALINE-US", amount=Money.of(1, "USD"))
        port.cleared_amounts.side_effect = lambda ids: dict.fromkeys(ids, cleared)
        candidate = CustomerCandidate(remote_id="7", name="Larkspur", by="external_id")
        port.find_customer_candidates.side_effect = [(candidate,), ()]
    if area == "crm":
        fields = dict.fromkeys(WriteBack.model_fields) | {"opportunity_id": "vendor:1"}
        port.read_write_back.return_value = WriteBack(**fields)
    if area == "crm" and "opportunity" in command:
        opportunity = Opportunity.model_validate(command["opportunity"])
        port.get_opportunity.return_value = opportunity
    return port


def posted(_: CrossReferences, canonical_id: str, system: str) -> str | None:
    """Documents are in the books, and customers have to be looked for."""
    return None if canonical_id.startswith("customer#") else "7"


def test_every_function_of_a_system_may_be_part_of_a_dry_run() -> None:
    assert sorted(f.name for f in functions().values() if f.area in PORTS) == CONNECTORS


@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
@pytest.mark.parametrize("name", CONNECTORS)
def test_a_dry_run_only_reads(
    name: str,
    begun: bool,
    cloud: Cloud,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    context: Any,
) -> None:
    forget()
    effects, crossref = cloud.table("EffectsTable"), cloud.table("CrossReferencesTable")
    environment(EFFECTS_TABLE=effects, CROSSREF_TABLE=crossref)
    command = sample(name) | {"dry_run": DRY_RUN}
    row = OPEN_CLAIM | {"transaction": command["correlation_id"]} if begun else None
    monkeypatch.setattr(Ledger, "_read", lambda *_: row)
    for lookup in ("require", "awaited"):
        monkeypatch.setattr(CrossReferences, lookup, lambda *_: "7")
    monkeypatch.setattr(CrossReferences, "get", posted)
    port = port_of(name.split("/")[0], command)
    connect(monkeypatch, name.split("/")[0], port)

    module(name).handler(command, context)

    assert [call[0] for call in port.method_calls if not call[0].startswith(READS)] == []
    dynamodb = aws.dynamodb()
    assert dynamodb.scan(TableName=crossref)["Items"] == []
    noted = [row["effect"] for row in dynamodb.scan(TableName=effects)["Items"]]
    assert all(key.startswith(f"plan#{DRY_RUN}#") for key in noted)
    [function] = [each for each in functions().values() if each.name == name]
    plans = 1 if function.writes or (function.takes_back and begun) else 0
    assert len(noted) == plans
