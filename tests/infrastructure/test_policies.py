"""Least privilege: what each role may do is what its function's code does, and nothing else.

The local cloud runs every function under its own role, so a permission that is missing fails the
workflow's tests too; these tests also see one that is too much.
"""

from __future__ import annotations

import ast
import json
import re

import pytest

from local.project import Function, functions, state_machines
from local.workflows import Workflow
from tests.infrastructure.stack import Grant, Stack, as_list, named

Need = tuple[str, str]

NAME = re.compile(r"\$\{(\w+)}")

CONNECTION: set[Need] = {
    ("ssm:GetParameter", "CONNECTION"),
    ("secretsmanager:GetSecretValue", "CONNECTION"),
    ("dynamodb:UpdateItem", "CONNECTION"),
}

# What a handler uses → the actions that it needs, each with the environment variable that names
# the resource (of a connection, its secret and the table of its budget too).
NEEDS: dict[str, set[Need]] = {
    "connections.crm": CONNECTION,
    "connections.erp": CONNECTION,
    "connections.billing": CONNECTION,
    "connections.support": CONNECTION,
    "ledger.once": {
        ("dynamodb:GetItem", "EFFECTS_TABLE"),
        ("dynamodb:PutItem", "EFFECTS_TABLE"),
        ("dynamodb:PutItem", "CROSSREF_TABLE"),
    },
    "ledger.undo": {
        ("dynamodb:GetItem", "EFFECTS_TABLE"),
        ("dynamodb:PutItem", "EFFECTS_TABLE"),
        ("dynamodb:DeleteItem", "CROSSREF_TABLE"),
    },
    "CrossReferences.get": {("dynamodb:Query", "CROSSREF_TABLE")},
    "CrossReferences.require": {("dynamodb:Query", "CROSSREF_TABLE")},
    "CrossReferences.awaited": {("dynamodb:Query", "CROSSREF_TABLE")},
    "CrossReferences.link": {("dynamodb:PutItem", "CROSSREF_TABLE")},
    "with_accounts": {("dynamodb:Query", "CROSSREF_TABLE/index/*")},
    "Exceptions.get": {("dynamodb:GetItem", "EXCEPTIONS_TABLE")},
    "Exceptions.by_status": {("dynamodb:Query", "EXCEPTIONS_TABLE/index/*")},
    "Exceptions.raise_": {
        ("dynamodb:GetItem", "EXCEPTIONS_TABLE"),
        ("dynamodb:PutItem", "EXCEPTIONS_TABLE"),
    },
    "Exceptions.decide": {
        ("dynamodb:GetItem", "EXCEPTIONS_TABLE"),
        ("dynamodb:PutItem", "EXCEPTIONS_TABLE"),
    },
    "Timeline.record": {("dynamodb:PutItem", "TIMELINE_TABLE")},
    "Timeline.of_subject": {("dynamodb:Query", "TIMELINE_TABLE/index/*")},
    "Executions.of": {
        ("states:ListExecutions", "STATE_MACHINE"),
        ("states:DescribeExecution", "STATE_MACHINE:*"),
    },
    # https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/#required-resources
    "publish_once": {
        ("dynamodb:GetItem", "DELIVERIES_TABLE"),
        ("dynamodb:PutItem", "DELIVERIES_TABLE"),
        ("dynamodb:UpdateItem", "DELIVERIES_TABLE"),
        ("dynamodb:DeleteItem", "DELIVERIES_TABLE"),
    },
    "events.publish": {("events:PutEvents", "INTEGRATION_BUS")},
    "consume": {("sqs:SendMessage*", "DEAD_LETTER_QUEUE")},
    # What Lambda sends in the function's name when it was called asynchronously and failed.
    "asynchronous": {("sqs:SendMessage", "dead letters")},
    # The message that is consumed names the state machine.
    "aws.start_execution": {("states:StartExecution", "every state machine")},
    "aws.send_task_success": {("states:SendTaskSuccess", "*")},
}

# Where a resource cannot be named, and why.
WILDCARDS = {
    Grant("states:SendTaskSuccess", "*"): "a task token names no resource that a policy could",
}

# AWS's own policies that SAM attaches, and for what.
AWS_POLICIES = {
    "AWSLambdaBasicExecutionRole": "write logs",
    "AWSXrayWriteOnlyAccess": "send traces",
    "AWSLambdaSQSQueueExecutionRole": "consume a queue: on functions that do, no other",
}

CONNECTORS = ("crm", "erp", "billing", "support")
# They know both a system, by its port, and the workflow that they feed: ingresses without an event.
SWEEPS = ("ingress/sweep_opportunities", "ingress/sweep_billing")


def test_a_function_may_do_what_it_needs_and_nothing_else(function: Function, stack: Stack) -> None:
    granted = stack.grants(function.logical_id)
    needed = _needed(function, stack)

    assert sorted(map(str, needed - granted)) == [], "needed, and not granted"
    assert sorted(map(str, granted - needed)) == [], "granted, and not needed"


def test_aws_policies_are_those_that_sam_attaches(function: Function, stack: Stack) -> None:
    attached = stack.aws_policies(function.logical_id)
    consumes = any(
        named(mapping["Properties"]["FunctionName"]) == function.logical_id
        for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values()
    )

    assert attached <= set(AWS_POLICIES)
    assert ("AWSLambdaSQSQueueExecutionRole" in attached) == consumes


def test_connectors_have_no_table_but_the_ledgers_and_the_budgets(stack: Stack) -> None:
    for function in _of_areas(*CONNECTORS):
        tables = {_resource(g) for g in stack.grants(function.logical_id)} & _tables(stack)
        assert tables <= {"EffectsTable", "CrossReferencesTable", "BudgetsTable"}, function.name


@pytest.mark.parametrize("area", CONNECTORS)
def test_a_connector_changes_its_own_connections_budget_alone(area: str, stack: Stack) -> None:
    """Support's functions cannot use up the ERP's, nor stop its requests."""
    policy = stack.properties(f"{area.capitalize()}ConnectionPolicy")["PolicyDocument"]
    [statement] = [each for each in policy["Statement"] if each["Action"] == "dynamodb:UpdateItem"]
    name = json.loads(_without_names(_value(f"{area.capitalize()}Connection", stack)))["name"]

    assert named(statement["Resource"]) == "BudgetsTable"
    assert statement["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [name]}}


def test_only_connectors_have_the_ledger_and_the_cross_references(stack: Stack) -> None:
    for function in functions().values():
        if function.area not in CONNECTORS:
            found = {_resource(grant) for grant in stack.grants(function.logical_id)}
            assert not found & {"EffectsTable", "CrossReferencesTable"}, function.name


def test_the_sweep_reads_the_crm_and_writes_nothing(stack: Stack) -> None:
    """What it finds goes the way of every event."""
    [sweep] = [each for each in functions().values() if each.name == SWEEPS[0]]
    grants = stack.grants(sweep.logical_id)
    read = {_resource(grant) for grant in grants if grant.action.startswith(("ssm:", "secrets"))}

    assert read == {"CrmConnection", "CrmSecret"}
    tables = _tables(stack) - {"BudgetsTable"}
    assert {grant.action for grant in grants if _resource(grant) in tables} == {"dynamodb:Query"}


def test_the_billing_sweep_reads_billing_and_remembers_what_it_told(stack: Stack) -> None:
    [sweep] = [each for each in functions().values() if each.name == SWEEPS[1]]
    grants = stack.grants(sweep.logical_id)
    read = {_resource(grant) for grant in grants if grant.action.startswith(("ssm:", "secrets"))}
    tables = {_resource(grant) for grant in grants} & _tables(stack)

    assert read == {"BillingConnection", "BillingSecret"}
    assert tables == {"BudgetsTable", "DeliveriesTable"}


@pytest.mark.parametrize("area", CONNECTORS)
def test_a_connector_reads_its_own_connection_and_secret_alone(area: str, stack: Stack) -> None:
    """Support's functions cannot read the ERP's, nor any other the one of another system."""
    own = {f"{area.capitalize()}Connection", f"{area.capitalize()}Secret"}
    secrets = set(stack.of_type("AWS::SecretsManager::Secret"))
    connections = secrets | set(stack.of_type("AWS::SSM::Parameter"))
    for function in _of_areas(area):
        read = {_resource(grant) for grant in stack.grants(function.logical_id)} & connections
        assert read == own, function.name


def test_nobody_else_reads_a_connection_or_a_secret(stack: Stack) -> None:
    for function in functions().values():
        services = {grant.action.split(":")[0] for grant in stack.grants(function.logical_id)}
        reads = bool(services & {"ssm", "secretsmanager"})
        assert reads == (function.area in CONNECTORS or function.name in SWEEPS), function.name


def test_rules_may_do_nothing(stack: Stack) -> None:
    for function in functions().values():
        if function.name.startswith("workflow/validate_"):
            assert not stack.grants(function.logical_id), function.name


def test_no_policy_grants_everything_without_a_reason(stack: Stack) -> None:
    holders = [*functions(), *stack.of_type("AWS::StepFunctions::StateMachine")]
    grants = {grant for holder in holders for grant in stack.grants(holder)}

    assert {grant for grant in grants if grant.resource.startswith("*")} == set(WILDCARDS)
    # SAM's SQSSendMessagePolicy says SendMessage*, which has one more action: the batch.
    assert {grant.action for grant in grants if "*" in grant.action} <= {"sqs:SendMessage*"}


def test_a_workflow_may_invoke_its_functions_alone(workflow: Workflow, stack: Stack) -> None:
    state_machine = state_machines()[workflow.name]
    invoked = {m.function(name) for m in workflow.machines for name in m.states} - {None}
    expected = {Grant("lambda:InvokeFunction", name) for name in invoked}
    if "DISTRIBUTED" in workflow.text:  # what a Map starts are executions of its own
        expected |= {
            Grant("states:StartExecution", state_machine),
            Grant("states:DescribeExecution", f"{state_machine}/*"),
            Grant("states:StopExecution", f"{state_machine}/*"),
        }

    assert stack.grants(state_machine) == expected | {Grant("events:PutEvents", "IntegrationBus")}


def test_a_queue_takes_messages_from_its_own_rule_alone(stack: Stack) -> None:
    targets = {
        rule: {
            named(arn)
            for target in resource["Properties"]["Targets"]
            for arn in (target["Arn"], target["DeadLetterConfig"]["Arn"])
        }
        for rule, resource in stack.of_type("AWS::Events::Rule").items()
    }
    permitted = {}
    queues = set(stack.of_type("AWS::SQS::Queue"))
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        allowed = {named(arn) for arn in as_list(statement["Resource"])}
        assert {named(queue) for queue in policy["Properties"]["Queues"]} == allowed
        for rule in as_list(statement["Condition"]["ArnEquals"]["aws:SourceArn"]):
            permitted[named(rule)] = allowed

    assert permitted == {rule: named & queues for rule, named in targets.items()}


def test_a_function_that_a_rule_calls_lets_it_and_no_other(stack: Stack) -> None:
    called = {
        (named(target["Arn"]), rule)
        for rule, resource in stack.of_type("AWS::Events::Rule").items()
        for target in resource["Properties"]["Targets"]
        if named(target["Arn"]) in functions()
    }
    permissions = [each["Properties"] for each in stack.of_type("AWS::Lambda::Permission").values()]

    assert {(named(p["FunctionName"]), named(p["SourceArn"])) for p in permissions} == called
    for permission in permissions:
        assert permission["Principal"] == "events.amazonaws.com"
        assert permission["Action"] == "lambda:InvokeFunction"


def _needed(function: Function, stack: Stack) -> set[Grant]:
    names, attributes = _used(function)
    if "DeadLetterConfig" in stack.properties(function.logical_id):
        names |= {"asynchronous"}
    needed: set[Grant] = set()
    for use, needs in NEEDS.items():
        owner, _, attribute = use.partition(".")
        if owner in names and (not attribute or attribute in attributes):
            for action, variable in needs:
                needed |= _grants(action, variable, function, stack)
    return needed


def _used(function: Function) -> tuple[set[str], set[str]]:
    """The names that a handler imports, and the attributes that it uses."""
    nodes = list(ast.walk(function.source))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    return names, {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _grants(action: str, variable: str, function: Function, stack: Stack) -> set[Grant]:
    if variable == "*":
        return {Grant(action, "*")}
    if variable == "every state machine":
        return {Grant(action, name) for name in stack.of_type("AWS::StepFunctions::StateMachine")}
    if variable == "dead letters":
        dead_letters = stack.properties(function.logical_id)["DeadLetterConfig"]["TargetArn"]
        return {Grant(action, named(dead_letters))}
    [name, rest] = re.fullmatch(r"(\w+)(.*)", variable).groups()
    resource = named(stack.environment(function.logical_id)[name])
    if name == "CONNECTION" and not action.startswith("ssm:"):
        kind = {"secretsmanager": "AWS::SecretsManager::Secret", "dynamodb": "AWS::DynamoDB::Table"}
        resource = _named_by(resource, kind[action.split(":")[0]], stack)
    return {Grant(action, resource + rest)}


def _named_by(connection: str, kind: str, stack: Stack) -> str:
    """The secret or the table that a connection's value names."""
    names = set(NAME.findall(_value(connection, stack)))
    [resource] = names & set(stack.of_type(kind))
    return resource


def _value(connection: str, stack: Stack) -> str:
    return stack.properties(connection)["Value"]["Fn::Sub"]


def _without_names(value: str) -> str:
    """The JSON of a connection, with null for what CloudFormation puts in."""
    return NAME.sub("null", value)


def _of_areas(*areas: str) -> list[Function]:
    found = [function for function in functions().values() if function.area in areas]
    assert found
    return found


def _tables(stack: Stack) -> set[str]:
    return set(stack.of_type("AWS::DynamoDB::Table"))


def _resource(grant: Grant) -> str:
    return grant.resource.split("/")[0]
