"""`interlock sweep`: a deal whose event never came."""

from __future__ import annotations

from datetime import timedelta

import pytest
from interlock.contracts import Contracts
from interlock.rules.sweep import GRACE
from interlock.schedules import milestone_event

from local.sandboxes.salesforce_seed import JPY_DEAL, close_won, create_deal
from tests.unit.contract_samples import contract, line

from .conftest import Interlock


@pytest.fixture
def deal(cli: Interlock) -> str:
    """Won, unnoticed, and longer ago than the time of grace."""
    organization = cli.environment.organization
    deal = create_deal(organization, JPY_DEAL, suffix="Sweep")
    organization.on_change, relay = None, organization.on_change
    close_won(organization, deal)
    organization.on_change = relay
    cli.environment.cloud.clock.advance(GRACE.total_seconds() + 1)
    return deal


def line_of(deal: str, output: str) -> str:
    """What is printed about a deal, in one line."""
    rows = output.splitlines()
    [start] = [n for n, row in enumerate(rows) if row.startswith(f"salesforce:{deal}")]
    return " ".join(rows[start].split())


def test_a_deal_is_found_and_told_of(cli: Interlock, deal: str):
    preview = cli.output("sweep", "--dry-run")
    assert line_of(deal, preview).endswith("to be told of no event told of it")
    assert max(map(len, preview.splitlines())) <= 100

    told = cli.json("sweep", "--json")
    [finding] = [each for each in told["findings"] if each["deal"]["id"] == f"salesforce:{deal}"]
    assert finding["verdict"] == "tell"
    cli.until_status(finding["correlation_id"], "SUCCEEDED")

    assert deal not in cli.output("sweep", "--dry-run")
    told = " ".join(cli.output("runs", finding["correlation_id"]).split())
    assert "was won, found by a sweep" in told


def test_a_renewal_that_no_schedule_told_of_is_told(cli: Interlock):
    ends_on = cli.environment.cloud.clock.utc().date() + timedelta(days=70)
    late = contract(id="salesforce:006Swept", ends_on=ends_on, lines=[line(ends_on=ends_on)])
    Contracts(cli.target.id("ContractsTable"), cli.target.dynamodb).record(late, "T1")
    event = milestone_event(late, 90)

    preview = cli.output("sweep", "contracts", "--dry-run")
    assert f"To be told, as no event told of it: {event.id}" in preview
    told = cli.json("sweep", "contracts", "--json")
    assert event.id in told["told"]
    cli.until(lambda: event.id not in cli.json("sweep", "contracts", "--dry-run", "--json")["told"])

    left = cli.output("sweep", "contracts", "--dry-run")
    assert left == "Whatever is due by contracts was told of.\n"
    assert event.correlation_id in cli.output("runs")
