"""What every role was allowed, denied and granted in vain, after all the other tests here.

Each part of the tests is asked on its own; what no part needs is told by the one that ends last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from local.cli.api import APPROVER_ROLE
from local.cloud.iam import as_list, matches, statements_of_role
from local.project import state_machines
from tests.workflows.parts import PARTS
from tests.workflows.runs import GONE, Machine, Workflow


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource that a role has; `owner` is the logical id of what has it."""

    owner: str
    action: str
    resource: str


def roles(workflow: Machine) -> dict[str, str]:
    """The role of each function, of each state machine and of the people, by logical id."""
    functions = {function.logical_id: function.role for function in workflow.cloud.functions}
    states, resources = workflow.cloud.client("stepfunctions"), workflow.cloud.resources
    machines = {
        machine: states.describe_state_machine(stateMachineArn=resources[machine])["roleArn"]
        for machine in state_machines().values()
    }
    return functions | machines | {APPROVER_ROLE: resources[APPROVER_ROLE]}


def grants(workflow: Machine) -> Iterator[Grant]:
    """Everything that any role is allowed."""
    for owner, role in roles(workflow).items():
        for statement in statements_of_role(role):
            assert statement["Effect"] == "Allow"
            for action in as_list(statement["Action"]):
                for resource in as_list(statement["Resource"]):
                    yield Grant(owner, action, resource)


# What a part says that it needed, by each grant's place; and what any of the parts did.
Needed = Callable[[str, list[bool]], list[bool]]

# What is granted and has no use here, and why.
UNUSED_ACTIONS = {
    # Lambda itself writes logs and traces in a function's name; there are no calls for them here.
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    # The event source mapping asks for it in AWS; the one here need not.
    "sqs:GetQueueAttributes",
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
UNUSED = {
    # Powertools frees a delivery whose publishing failed, which takes a broken EventBridge, and
    # reads one only where DynamoDB does not return it with a refused condition.
    *(
        (f"{name}Function", f"dynamodb:{action}")
        for name in ("Salesforce", "Stripe", "SweepBilling", "Zendesk")
        for action in ("DeleteItem", "GetItem")
    ),
    # Lambda itself sends a failed sweep to its dead letters, in the function's name.
    ("SweepOpportunitiesFunction", "sqs:SendMessage"),
    ("SweepBillingFunction", "sqs:SendMessage"),
    ("SweepCasesFunction", "sqs:SendMessage"),
    ("SweepContractsFunction", "sqs:SendMessage"),
    # As for a request that failed.
    ("RequestReconciliationFunction", "sqs:SendMessage"),
    # Step Functions itself runs the items of a Distributed Map, in the state machine's name.
    *(
        ("BillingReconciliation", f"states:{action}Execution")
        for action in ("Start", "Describe", "Stop")
    ),
}


@pytest.fixture
def needed_so_far(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Needed:
    """Adds what a part needed of the grants; for each, whether one of the parts did.

    Processes of one run have a folder together:
    https://pytest-xdist.readthedocs.io/en/stable/how-to.html#making-session-scoped-fixtures-execute-only-once
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def add(part: str, needed: list[bool]) -> list[bool]:
        told = shared / f"needed-{part}.json"
        told.with_suffix(".new").write_text(json.dumps(needed))
        told.with_suffix(".new").rename(told)
        parts = [shared / f"needed-{each}.json" for each in PARTS]
        if not all(each.exists() for each in parts):
            pytest.skip("the part that ends last can tell")
        return [
            any(each)
            for each in zip(*(json.loads(each.read_text()) for each in parts), strict=True)
        ]

    return add


@pytest.mark.parametrize("part", PARTS)
def test_function_outside_its_role_is_denied(workflow: Workflow, part: str) -> None:
    """The function that opens tickets cannot read the ERP's secret, nor write to its tables."""
    role = roles(workflow)["CreateTaskFunction"]
    resources = workflow.cloud.resources
    secrets = workflow.cloud.client_of_role("secretsmanager", role)
    dynamodb = workflow.cloud.client_of_role("dynamodb", role)
    allowed = secrets.get_secret_value(SecretId=resources["SupportSecret"])
    assert allowed["SecretString"]
    with pytest.raises(ClientError, match="AccessDenied"):
        secrets.get_secret_value(SecretId=resources["ErpSecret"])
    with pytest.raises(ClientError, match="AccessDenied"):
        dynamodb.delete_item(
            TableName=resources["EffectsTable"], Key={"effect": {"S": "any effect"}}
        )
    denied = [(d.action, d.resource) for d in workflow.cloud.decisions if not d.allowed]
    assert [action for action, _ in denied[-2:]] == [
        "secretsmanager:GetSecretValue",
        "dynamodb:DeleteItem",
    ]


@pytest.mark.parametrize("part", PARTS)
def test_nothing_else_was_denied(workflow: Workflow, part: str) -> None:
    """Every permission that the functions and the state machines need is in the template.

    People are denied what they ask of the API without being allowed to, and tests do ask that.
    """
    provoked = roles(workflow)["CreateTaskFunction"].split("/")[-1]
    denied = {
        decision
        for decision in workflow.cloud.decisions
        if not decision.allowed
        and GONE not in decision.resource
        and decision.action != "execute-api:Invoke"
    }
    assert {decision for decision in denied if decision.role != provoked} == set()
    assert {decision.action for decision in denied} <= {
        "secretsmanager:GetSecretValue",
        "dynamodb:DeleteItem",
    }


@pytest.mark.usefixtures("after_all_tests")
@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_granted_in_vain(workflow: Workflow, part: str, needed_so_far: Needed) -> None:
    """What no test needs is not granted, but for what is listed here."""
    used: dict[str, set[tuple[str, str]]] = {}
    for decision in workflow.cloud.decisions:
        used.setdefault(decision.role, set()).add((decision.action, decision.resource))
    role_of = {owner: role.split("/")[-1] for owner, role in roles(workflow).items()}

    def needed(grant: Grant) -> bool:
        return any(
            matches(grant.action, action, ignore_case=True) and matches(grant.resource, resource)
            for action, resource in used.get(role_of[grant.owner], ())
        )

    granted = list(grants(workflow))
    used_by_a_part = needed_so_far(part, [needed(grant) for grant in granted])
    unused = {grant for grant, used in zip(granted, used_by_a_part, strict=True) if not used}
    # Budgets are the same for every connector; one system has one here, to keep the tests quick.
    budgets = {grant for grant in granted if "BudgetsTable" in grant.resource}
    assert budgets - unused
    in_vain = unused - budgets
    unexplained = {
        grant
        for grant in in_vain
        if grant.action not in UNUSED_ACTIONS and (grant.owner, grant.action) not in UNUSED
    }
    assert sorted(unexplained) == []
    assert {grant.action for grant in in_vain} >= UNUSED_ACTIONS
    assert {(grant.owner, grant.action) for grant in in_vain} >= UNUSED
