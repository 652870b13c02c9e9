"""Who asks for a credit cannot give it, and nobody on its way writes in the ERP's books.

Held against the template's policies: what a role is not granted, it cannot do.
"""

from __future__ import annotations

from typing import Any

import pytest

from local.project import Function, functions, state_machines
from tests.infrastructure.stack import Stack, as_list, named

# Where support reaches in, and what it is answered by.
OF_SUPPORT = ("support/", "ingress/zendesk", "ingress/sweep_cases")
OF_CREDITS = (*OF_SUPPORT, "approvals/")
WRITERS = {each.logical_id for each in functions().values() if each.writes or each.takes_back}
ERP_WRITERS = {name for name in WRITERS if functions()[name].area == "erp"}
ERP = {"ErpConnection", "ErpSecret"}


def of(*prefixes: str) -> list[Function]:
    """The functions whose names begin so."""
    found = [each for each in functions().values() if each.name.startswith(prefixes)]
    assert found
    return found


@pytest.mark.parametrize("limited", of(*OF_CREDITS), ids=lambda each: each.name)
def test_neither_support_nor_approvers_reach_the_erp(limited: Function, stack: Stack) -> None:
    """Not its connection, not a function that writes there, not a workflow, not a queue of one."""
    assert len(ERP_WRITERS) > 10
    grants = stack.grants(limited.logical_id)
    reached = {grant.resource.split("/")[0].split(":")[0] for grant in grants}

    assert not reached & (ERP | set(functions()) | set(state_machines().values()))
    assert not reached & {"StartQueue", "StripeInbox", "SalesforceInbox"}
    starting = ("lambda:Invoke", "states:StartExecution", "sts:AssumeRole", "iam:")
    assert not [grant for grant in grants if grant.action.startswith(starting)]


@pytest.mark.parametrize("limited", of(*OF_SUPPORT), ids=lambda each: each.name)
def test_support_publishes_a_request_for_a_credit_at_most(limited: Function, stack: Stack) -> None:
    """An event of another type would start another workflow."""
    for statement in _statements(limited, stack):
        if "events:PutEvents" in as_list(statement["Action"]):
            allowed = statement["Condition"]["StringEquals"]["events:detail-type"]
            assert as_list(allowed) == ["credit.requested"]


def test_case_to_credit_invokes_no_writer_of_the_erp(stack: Stack) -> None:
    """The books follow the billing system, by a workflow of their own."""
    invoked = {
        grant.resource
        for grant in stack.grants("CaseToCredit")
        if grant.action == "lambda:InvokeFunction"
    }

    assert "GetCreditMemosFunction" in invoked
    assert not invoked & ERP_WRITERS


def test_the_books_follow_by_subscription_billing_alone(stack: Stack) -> None:
    invokers = {
        machine
        for machine in state_machines().values()
        for grant in stack.grants(machine)
        if grant.resource == "PostCreditMemoFunction"
    }

    assert invokers == {"SubscriptionBilling"}


def _statements(limited: Function, stack: Stack) -> list[dict[str, Any]]:
    policies = stack.properties(stack.role(limited.logical_id)).get("Policies", [])
    attached = stack.properties(stack.role(limited.logical_id)).get("ManagedPolicyArns", [])
    managed = [
        stack.properties(named(each))
        for each in attached
        if isinstance(each, dict) and "Ref" in each
    ]
    documents = [each["PolicyDocument"] for each in [*policies, *managed]]
    return [statement for each in documents for statement in as_list(each["Statement"])]
