"""What kills and faults at random found once, each as a plan of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.faults.harness import Harness
from local.faults.invariants import Expectation, violations


@pytest.mark.slow
def test_customer_that_its_attempt_could_not_record(harness: Harness) -> None:
    """Made in the ERP, the answer lost, and no later attempt lived to look it up: a team says
    again, and the run, which begins anew, finds the customer by our own key."""
    customers = "tryton /erp/rest/model/party.party | 1"
    function = "CreateErpCustomerFunction"
    faults = {f"{function} 1 | POST {customers}": {"kind": "lose"}}
    for number in range(2, 9):
        faults[f"{function} {number} | GET {customers}"] = {"kind": "crash_before"}
    [whole] = harness.run([harness.new("lead_to_order")])
    transaction = harness.new("lead_to_order", {"faults": faults})
    [waiting] = harness.run([transaction])
    assert waiting.ending == "waits for a team"
    [account] = harness.settle([transaction], "retry")
    assert violations(account, Expectation.of(whole)) == []


@pytest.mark.slow
def test_nobody_is_asked_about_a_credit_that_was_taken_back(harness: Harness) -> None:
    """For days nobody decided, and a team took the run back: no decision can follow."""
    transaction = replace(harness.new("case_to_credit.approved"), answer=None)
    [account] = harness.run([transaction], "compensate")
    assert account.ending == "cancelled"
    assert [event["type"] for event in account.events].count("approval.escalated") == 7
    assert violations(account, Expectation.of(account)) == []
