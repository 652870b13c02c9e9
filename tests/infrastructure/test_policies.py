"""Least privilege: what each role may do is what its function's code does, and nothing else.

The local cloud runs every function under its own role, so a permission that is missing fails the
workflow's tests too; these tests also see one that is too much.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

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

# Who appends reads the chain, and neither updates nor deletes a row of it.
AUDIT: set[Need] = {("dynamodb:Query", "AUDIT_TABLE"), ("dynamodb:PutItem", "AUDIT_TABLE")}
SETTLED: set[Need] = {
    *AUDIT,
    ("events:PutEvents", "INTEGRATION_BUS"),
    ("states:SendTaskSuccess", "*"),
}

# A change of a contract is written over the one that was read.
CHANGED: set[Need] = {
    ("dynamodb:GetItem", "CONTRACTS_TABLE"),
    ("dynamodb:PutItem", "CONTRACTS_TABLE"),
}
WOKEN: set[Need] = {
    ("dynamodb:UpdateItem", "WAITS_TABLE"),
    ("states:SendTaskSuccess", "*"),
}

IN_FORCE: set[Need] = {
    ("appconfig:StartConfigurationSession", "CONTRACT_TERMS"),
    ("appconfig:GetLatestConfiguration", "CONTRACT_TERMS"),
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
    "contract_terms.in_force": {
        ("appconfig:StartConfigurationSession", "CONTRACT_TERMS"),
        ("appconfig:GetLatestConfiguration", "CONTRACT_TERMS"),
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
    "connections.secret_field": {("secretsmanager:GetSecretValue", "WEBHOOK_SECRET")},
    "Allowances.reserve": {
        ("dynamodb:GetItem", "ALLOWANCES_TABLE"),
        ("dynamodb:PutItem", "ALLOWANCES_TABLE"),
    },
    "Allowances.release": {
        ("dynamodb:GetItem", "ALLOWANCES_TABLE"),
        ("dynamodb:PutItem", "ALLOWANCES_TABLE"),
    },
    "Allowances.read": {("dynamodb:GetItem", "ALLOWANCES_TABLE")},
    "Approvals.find": {("dynamodb:GetItem", "APPROVALS_TABLE")},
    "Audit.append": AUDIT,
    "Approvals.get": {("dynamodb:GetItem", "APPROVALS_TABLE")},
    "Approvals.by_status": {("dynamodb:Query", "APPROVALS_TABLE/index/*")},
    "Approvals.withdraw": {
        ("dynamodb:Query", "APPROVALS_TABLE/index/*"),
        ("dynamodb:PutItem", "APPROVALS_TABLE"),
    },
    "deciding.ask": {
        *SETTLED,
        ("dynamodb:GetItem", "APPROVALS_TABLE"),
        ("dynamodb:PutItem", "APPROVALS_TABLE"),
    },
    "deciding.decide": {
        *SETTLED,
        *IN_FORCE,
        ("dynamodb:GetItem", "APPROVALS_TABLE"),
        ("dynamodb:PutItem", "APPROVALS_TABLE"),
    },
    "deciding.offer_link": {
        *AUDIT,
        *IN_FORCE,
        ("dynamodb:GetItem", "APPROVALS_TABLE"),
        ("secretsmanager:GetSecretValue", "APPROVAL_LINK_SECRET"),
    },
    "serving.change": {
        *AUDIT,
        ("events:PutEvents", "INTEGRATION_BUS"),
        ("dynamodb:GetItem", "SUSPENSIONS_TABLE"),
        ("dynamodb:PutItem", "SUSPENSIONS_TABLE"),
    },
    "Suspensions.get": {("dynamodb:GetItem", "SUSPENSIONS_TABLE")},
    "Contracts.get": {("dynamodb:GetItem", "CONTRACTS_TABLE")},
    "Contracts.of_account": {("dynamodb:Query", "CONTRACTS_TABLE/index/*")},
    "Contracts.served": {("dynamodb:Query", "CONTRACTS_TABLE/index/*")},
    "Contracts.by_status": {("dynamodb:Query", "CONTRACTS_TABLE/index/*")},
    "Contracts.record": CHANGED,
    "Contracts.take_back": CHANGED,
    "Contracts.change": CHANGED,
    "Contracts.change_back": CHANGED,
    "Contracts.let_another_run_renew": CHANGED,
    "CustomerViews.complete": {("dynamodb:GetItem", "CUSTOMER_VIEWS_TABLE")},
    "CustomerViews.keep": {("dynamodb:PutItem", "CUSTOMER_VIEWS_TABLE")},
    "Waits.wait": WOKEN,
    "Waits.wake": WOKEN,
    "Schedules.plan": {
        ("scheduler:CreateSchedule", "MILESTONE_SCHEDULES/*"),
        ("scheduler:UpdateSchedule", "MILESTONE_SCHEDULES/*"),
        ("scheduler:DeleteSchedule", "MILESTONE_SCHEDULES/*"),
        ("iam:PassRole", "MILESTONE_ROLE"),
    },
    "Links.load": {("secretsmanager:GetSecretValue", "APPROVAL_LINK_SECRET")},
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
SWEEPS = ("ingress/sweep_opportunities", "ingress/sweep_billing", "ingress/sweep_cases")
# They verify signatures.
WEBHOOKS = ("ingress/zendesk",)
# They make links to approvals, and check them, by a secret of their own.
LINKS = ("approvals/approval_link", "approvals/create_link")


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


def test_the_case_sweep_reads_support_and_the_timeline_and_writes_nothing(stack: Stack) -> None:
    [sweep] = [each for each in functions().values() if each.name == SWEEPS[2]]
    grants = stack.grants(sweep.logical_id)
    read = {_resource(grant) for grant in grants if grant.action.startswith(("ssm:", "secrets"))}

    assert read == {"SupportConnection", "SupportSecret"}
    tables = _tables(stack) - {"BudgetsTable"}
    assert {grant.action for grant in grants if _resource(grant) in tables} == {"dynamodb:Query"}


@pytest.mark.parametrize("ingress", ["ZendeskFunction", "SweepCasesFunction"])
def test_support_can_ask_for_a_credit_and_start_nothing_else(ingress: str, stack: Stack) -> None:
    policies = stack.properties(stack.role(ingress))["Policies"]
    [statement] = [
        statement
        for policy in policies
        for statement in as_list(policy["PolicyDocument"]["Statement"])
        if "events:PutEvents" in as_list(statement["Action"])
    ]

    assert named(statement["Resource"]) == "IntegrationBus"
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": ["interlock"]},
        "StringEquals": {"events:detail-type": "credit.requested"},
    }


def test_a_webhook_has_its_own_secret_and_no_connection(stack: Stack) -> None:
    grants = stack.grants("ZendeskFunction")
    read = {_resource(grant) for grant in grants if grant.action.startswith(("ssm:", "secrets"))}

    assert read == {"SupportWebhookSecret"}


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
        may = function.area in CONNECTORS or function.name in (*SWEEPS, *WEBHOOKS, *LINKS)
        assert reads == may, function.name


def test_links_are_signed_by_a_secret_that_nobody_else_reads(stack: Stack) -> None:
    readers = {
        function.name: {
            grant.resource
            for grant in stack.grants(function.logical_id)
            if grant.action.startswith("secretsmanager:")
        }
        for function in functions().values()
    }

    for name, secrets in readers.items():
        assert (secrets == {"ApprovalLinkSecret"}) == (name in LINKS), name
        assert name in LINKS or "ApprovalLinkSecret" not in secrets, name


def test_nobody_updates_or_deletes_a_row_of_the_audit(stack: Stack) -> None:
    for function in functions().values():
        grants = stack.grants(function.logical_id)
        actions = {grant.action for grant in grants if _resource(grant) == "AuditTable"}
        assert actions in (set(), {"dynamodb:Query", "dynamodb:PutItem"}), function.name


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
    permissions = _permissions("events.amazonaws.com", stack)

    assert {(named(p["FunctionName"]), named(p["SourceArn"])) for p in permissions} == called


def test_a_function_that_the_api_calls_lets_it_for_its_methods_alone(stack: Stack) -> None:
    called = {
        (function, f"/{'*' if method.startswith('x-') else method.upper()}{path}")
        for path, methods in _api(stack)["paths"].items()
        for method, definition in methods.items()
        for function in [_integrated(definition)]
    }
    permitted = {
        (named(each["FunctionName"]), each["SourceArn"]["Fn::Sub"][0].partition("${__Stage__}")[2])
        for each in _permissions("apigateway.amazonaws.com", stack)
    }

    assert permitted == {(function, re.sub(r"{\w+}", "*", path)) for function, path in called}


def test_only_events_and_the_api_call_functions_from_outside(stack: Stack) -> None:
    permissions = [each["Properties"] for each in stack.of_type("AWS::Lambda::Permission").values()]

    assert {each["Action"] for each in permissions} <= {"lambda:InvokeFunction"}
    callers = {each["Principal"] for each in permissions}
    assert callers <= {"events.amazonaws.com", "apigateway.amazonaws.com"}


def test_the_api_is_for_signed_requests_but_for_webhooks_and_links(stack: Stack) -> None:
    """An open method proves itself who calls: by a webhook's signature, by a link's."""
    opened = set()
    for path, methods in _api(stack)["paths"].items():
        for method, definition in methods.items():
            [scheme] = [name for each in definition["security"] for name in each]
            assert scheme in ("AWS_IAM", "NONE"), path
            assert "credentials" not in definition["x-amazon-apigateway-integration"], path
            if scheme == "NONE":
                opened.add((method, path))

    assert opened <= {
        ("post", "/webhooks/zendesk"),
        ("get", "/approvals/link"),
        ("post", "/approvals/link"),
    }


@pytest.mark.parametrize("role", ["ApproverRole", "OperatorRole"])
def test_people_act_under_the_own_name_alone(role: str, stack: Stack) -> None:
    """The name of the session is who decided."""
    [trust] = stack.properties(role)["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Condition"] == {
        "StringEquals": {"sts:RoleSessionName": ["${aws:username}", "${aws:PrincipalTag/email}"]}
    }


def _permissions(principal: str, stack: Stack) -> list[dict[str, Any]]:
    """Who lets a service call which function."""
    found = [each["Properties"] for each in stack.of_type("AWS::Lambda::Permission").values()]
    return [each for each in found if each["Principal"] == principal]


def _api(stack: Stack) -> dict[str, Any]:
    """The API's OpenAPI document."""
    return stack.properties("Api")["Body"]


def _integrated(definition: dict[str, Any]) -> str:
    """The function behind a method."""
    uri = definition["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    return re.search(r"\$\{(\w+)\.Arn}", uri)[1]


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
