"""Queues, tables, alarms and archives: no event can get lost unseen, no record with its stack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest
from interlock.telemetry import metrics

from tests.infrastructure.stack import Stack, as_list, named

QUEUE = "AWS::SQS::Queue"
KEPT = ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret")
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_PER_TIMEOUT = 6
FAILURE_METRICS = {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}


def test_records_and_secrets_outlive_the_stack(stack: Stack) -> None:
    for kind in KEPT:
        for logical_id, resource in stack.of_type(kind).items():
            policies = resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")
            assert policies == ("Retain", "Retain"), logical_id


def test_no_resource_waits_for_itself(stack: Stack) -> None:
    """CloudFormation refuses a circle: as a function that names a role which may call its API."""
    resources = stack.template["Resources"]
    graph = {name: _named_anywhere(item) & set(resources) for name, item in resources.items()}

    TopologicalSorter(graph).prepare()


def test_tables_can_be_restored_and_are_encrypted(stack: Stack) -> None:
    tables = stack.of_type("AWS::DynamoDB::Table")
    assert tables
    for logical_id, resource in tables.items():
        properties = resource["Properties"]
        recovery = properties.get("PointInTimeRecoverySpecification", {})
        assert recovery.get("PointInTimeRecoveryEnabled") is True, logical_id
        assert properties.get("SSESpecification", {}).get("SSEEnabled") is True, logical_id


def test_nothing_but_deliveries_plans_and_waits_expires(stack: Stack) -> None:
    """Above all no financial effect: a unit test holds that none has the attribute."""
    expiring = {
        logical_id: resource["Properties"]["TimeToLiveSpecification"]["AttributeName"]
        for logical_id, resource in stack.of_type("AWS::DynamoDB::Table").items()
        if "TimeToLiveSpecification" in resource["Properties"]
    }

    assert expiring == {
        "DeliveriesTable": "expiration",
        "EffectsTable": "expires_at",
        "WaitsTable": "expires_at",
    }


def test_each_queue_has_a_dead_letter_queue(stack: Stack) -> None:
    queues = stack.of_type(QUEUE)
    dead_letter_queues = set(_dead_letter_queues(stack))
    for logical_id in set(queues) - dead_letter_queues:
        redrive = queues[logical_id]["Properties"].get("RedrivePolicy")
        assert redrive, logical_id
        assert named(redrive["deadLetterTargetArn"]) in queues
        assert redrive["maxReceiveCount"] >= 5, "Lambda recommends at least five"


def test_dead_letters_are_kept_as_long_as_messages(stack: Stack) -> None:
    """A message's age counts from when it was first sent."""
    queues = stack.of_type(QUEUE)
    periods = {
        logical_id: resource["Properties"].get("MessageRetentionPeriod", 345_600)
        for logical_id, resource in queues.items()
    }
    for logical_id, resource in queues.items():
        assert resource["Properties"].get("SqsManagedSseEnabled") is True, logical_id
        if redrive := resource["Properties"].get("RedrivePolicy"):
            assert periods[named(redrive["deadLetterTargetArn"])] >= periods[logical_id]


def test_each_dead_letter_queue_has_an_alarm_that_someone_hears(stack: Stack) -> None:
    alarmed = {
        named(dimension["Value"]): alarm
        for alarm in _alarms(stack)
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "QueueName"
    }

    assert set(alarmed) == set(_dead_letter_queues(stack))
    for alarm in alarmed.values():
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_each_alarm_goes_to_the_topic(stack: Stack) -> None:
    for alarm in _alarms(stack):
        assert [named(action) for action in alarm["AlarmActions"]] == ["AlarmTopic"]


def test_a_run_that_ends_without_an_exception_raises_an_alarm(stack: Stack) -> None:
    for logical_id in stack.of_type("AWS::StepFunctions::StateMachine"):
        metrics = {
            alarm["MetricName"]
            for alarm in _alarms(stack)
            for dimension in alarm["Dimensions"]
            if named(dimension["Value"]) == logical_id
        }
        assert metrics == FAILURE_METRICS, logical_id


def test_each_rule_has_a_dead_letter_queue(stack: Stack) -> None:
    """For what EventBridge cannot deliver: the one that its target's own failures go to."""
    for logical_id, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Properties"]["Targets"]:
            called = stack.properties(named(target["Arn"]))
            if "RedrivePolicy" in called:
                own = called["RedrivePolicy"]["deadLetterTargetArn"]
            else:
                own = called["DeadLetterConfig"]["TargetArn"]
            assert named(target["DeadLetterConfig"]["Arn"]) == named(own), logical_id


@pytest.mark.parametrize("metric", ["DealsGivenUp", "ContractsPastEnd"])
def test_a_sweep_that_fails_or_gives_up_raises_an_alarm(stack: Stack, metric: str) -> None:
    """Its dead letters have one, as all have; what it leaves to people has one of its own."""
    [given_up] = [alarm for alarm in _alarms(stack) if alarm["MetricName"] == metric]

    assert given_up["Namespace"] == "Interlock"
    assert given_up["Dimensions"] == [{"Name": "service", "Value": "interlock"}]
    assert (given_up["Threshold"], given_up["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_a_range_to_replay_lists_every_event_that_starts_a_workflow(stack: Stack) -> None:
    """And nothing but what comes from the archive."""
    rules = {name: rule["Properties"] for name, rule in stack.of_type("AWS::Events::Rule").items()}
    pattern = rules["ReplayRule"]["EventPattern"]
    starting = {
        kind
        for rule in rules.values()
        if "StartQueue" in [named(target["Arn"]) for target in rule["Targets"]]
        for kind in rule["EventPattern"]["detail-type"]
    }

    assert set(pattern["detail-type"]) == starting
    assert pattern["replay-name"] == [{"exists": True}]


def test_each_bus_has_an_archive(stack: Stack) -> None:
    archived = {
        named(archive["Properties"]["SourceArn"])
        for archive in stack.of_type("AWS::Events::Archive").values()
    }

    assert archived == set(stack.of_type("AWS::Events::EventBus"))


def test_a_message_stays_hidden_while_it_is_handled_and_tried_again(stack: Stack) -> None:
    for queue, function in _consumers(stack):
        visibility = stack.properties(queue)["VisibilityTimeout"]
        timeout = stack.properties(function)["Timeout"]
        assert visibility >= VISIBILITY_PER_TIMEOUT * timeout, queue


def test_a_failed_message_does_not_take_its_batch_with_it(stack: Stack) -> None:
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_what_can_never_succeed_goes_to_the_queues_own_dead_letters(stack: Stack) -> None:
    for queue, function in _consumers(stack):
        redrive = stack.properties(queue)["RedrivePolicy"]
        variable = stack.environment(function)["DEAD_LETTER_QUEUE"]
        assert named(variable) == named(redrive["deadLetterTargetArn"]), function


def test_a_vendor_that_is_down_raises_an_alarm(stack: Stack) -> None:
    """By the metric that the breaker counts, in the functions' namespace."""
    [alarm] = [alarm for alarm in _alarms(stack) if alarm["MetricName"] == "BreakerOpened"]

    assert alarm["Namespace"] == metrics.namespace
    assert alarm["Dimensions"] == [{"Name": "service", "Value": metrics.service}]


def test_logs_do_not_stay_for_ever(stack: Stack) -> None:
    for logical_id, group in stack.of_type("AWS::Logs::LogGroup").items():
        assert group["Properties"].get("RetentionInDays"), logical_id


def test_each_function_logs_to_the_stacks_group_and_is_traced(stack: Stack) -> None:
    for logical_id, resource in stack.of_type("AWS::Lambda::Function").items():
        properties = resource["Properties"]
        assert named(properties["LoggingConfig"]["LogGroup"]) == "FunctionLogs", logical_id
        assert properties["TracingConfig"] == {"Mode": "Active"}, logical_id


def test_functions_run_where_their_packages_were_built_for(stack: Stack) -> None:
    for kind in ("AWS::Lambda::Function", "AWS::Lambda::LayerVersion"):
        for logical_id, resource in stack.of_type(kind).items():
            properties = resource["Properties"]
            runtimes = properties.get("CompatibleRuntimes") or as_list(properties["Runtime"])
            processors = properties.get("CompatibleArchitectures") or properties["Architectures"]
            assert (runtimes, processors) == (["python3.13"], ["arm64"]), logical_id


def _named_anywhere(value: Any) -> set[str]:
    """What a resource, or a part of it, names of others."""
    match value:
        case {"Ref": str() as name}:
            return {name}
        case {"Fn::GetAtt": [str() as name, _]}:
            return {name}
        case {"Fn::Sub": str() as text}:
            return set(re.findall(r"\$\{(\w+)", text))
        case {"Fn::Sub": [str() as text, variables]}:
            named_in_text = _named_anywhere({"Fn::Sub": text}) - set(variables)
            return named_in_text | _named_anywhere(variables)
        case dict():
            waits = set(as_list(value.get("DependsOn", [])))
            return waits.union(*map(_named_anywhere, value.values()))
        case list():
            return set().union(*map(_named_anywhere, value))
    return set()


def _alarms(stack: Stack) -> list[dict[str, Any]]:
    return [alarm["Properties"] for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()]


def _dead_letter_queues(stack: Stack) -> Iterator[str]:
    for queue in stack.of_type(QUEUE).values():
        if redrive := queue["Properties"].get("RedrivePolicy"):
            yield named(redrive["deadLetterTargetArn"])
    for rule in stack.of_type("AWS::Events::Rule").values():
        for target in rule["Properties"]["Targets"]:
            if dead_letters := target.get("DeadLetterConfig"):
                yield named(dead_letters["Arn"])
    # Of the schedules that it makes.
    yield named(stack.environment("PlanMilestonesFunction")["MILESTONE_DLQ"])


def _consumers(stack: Stack) -> Iterator[tuple[str, str]]:
    """Each queue that a function consumes, with the function."""
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        properties = mapping["Properties"]
        yield named(properties["EventSourceArn"]), named(properties["FunctionName"])
