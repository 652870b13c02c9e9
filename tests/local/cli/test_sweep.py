"""`interlock sweep`: a deal whose event never came."""

from __future__ import annotations

import pytest
from interlock.rules.sweep import GRACE

from local.sandboxes.salesforce_seed import JPY_DEAL, close_won, create_deal

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
