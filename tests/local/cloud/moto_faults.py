"""Shows which faults moto has: a program that prints {correction: whether the fault is there}.

Each fault here is named after the correction it belongs to. With the argument `corrected`, the
corrections are applied first.
"""

import datetime
import functools
import inspect
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import moto.awslambda.models as lambda_models
import moto.backend_index as backend_index
import moto.cloudformation.parsing as parsing
import moto.core.serialize as serialize
import moto.dynamodb.models.table as table_models
import moto.moto_server.werkzeug_app as werkzeug_app
import moto.sqs.models as sqs_models
import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_events as events_tasks  # noqa: E501
import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda as lambda_tasks  # noqa: E501
import moto.stepfunctions.parser.asl.parse.asl_parser as asl_parser
import moto.stepfunctions.parser.backend.execution as execution_models
from botocore.exceptions import ClientError
from jsonpath_ng.parser import JsonPathParser
from moto import mock_aws
from moto.awslambda.utils import get_backend
from moto.core import enable_iam_authentication
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import (
    ErrorEqualsDecl,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded
from moto.stepfunctions.parser.utils import TMP_THREADS

SETTINGS = {
    "lambda": {"use_docker": False},
    "stepfunctions": {"execute_state_machine": True},
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

faults: dict[str, Callable[[], bool]] = {}


def fault(probe: Callable[[], bool]) -> Callable[[], bool]:
    faults[probe.__name__] = probe
    return probe


@functools.cache
def client(service: str, **options: Any) -> Any:
    return boto3.client(service, region_name="us-east-1", **options)


def create_stack(resources: dict[str, Any]) -> dict[str, str]:
    """The physical ids of a new stack with these resources."""
    cloudformation = client("cloudformation")
    template = json.dumps({"Resources": resources})
    cloudformation.create_stack(StackName="s", TemplateBody=template)
    listed = cloudformation.describe_stack_resources(StackName="s")["StackResources"]
    return {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in listed}


def raises(action: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    try:
        action(*arguments, **options)
    except Exception:
        return True
    return False


def together(*actions: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def repeats(owner: Any, name: str, act: Callable[[], Any]) -> bool:
    """Whether `act` calls a function (by its owner and its name there) again a second time."""
    act()
    original = getattr(owner, name)
    calls: list[Any] = []

    def count(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return original(*arguments, **options)

    setattr(owner, name, count)
    try:
        act()
    finally:
        setattr(owner, name, original)
    return bool(calls)


# -- Every service


@fault
def list_services_once() -> bool:
    server = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
    host = "sqs.us-east-1.amazonaws.com"
    return repeats(os, "listdir", lambda: server.get_backend_for_host(host))


@fault
def list_actions_once() -> bool:
    return repeats(inspect, "getmembers", client("sqs").list_queues)


@fault
def name_members_once() -> bool:
    create_table()
    client("dynamodb").put_item(TableName="t", Item={"id": {"S": "x"}})
    return repeats(
        serialize.ShapePrefixAlias, "has_alias", lambda: client("dynamodb").scan(TableName="t")
    )


# -- CloudFormation


@fault
def know_missing_types() -> bool:
    missing = {
        "AWS::ApiGateway::Account",
        "AWS::ApiGateway::Stage",
        "AWS::AppConfig::Application",
        "AWS::AppConfig::ConfigurationProfile",
        "AWS::AppConfig::DeploymentStrategy",
        "AWS::AppConfig::Environment",
        "AWS::CloudWatch::Alarm",
        "AWS::Scheduler::ScheduleGroup",
        "AWS::SecretsManager::Secret",
        "AWS::SQS::QueuePolicy",
    }
    method = {"x-amazon-apigateway-integration": {"type": "mock"}, "responses": {}}
    body = {"openapi": "3.0.1", "info": {"title": "a"}, "paths": {"/a": {"get": method}}}
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "a", "Body": body}}
    deployment = {
        "Type": "AWS::ApiGateway::Deployment",
        "Properties": {"RestApiId": {"Ref": "Api"}},
    }
    return missing.isdisjoint(parsing.get_model_map()) and raises(
        create_stack, {"Api": api, "Deployment": deployment}
    )


@fault
def refer_by_name_or_arn() -> bool:
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "bus"}}
    rule = {
        "Type": "AWS::Events::Rule",
        "Properties": {"EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["a"]}},
    }
    return raises(create_stack, {"Bus": bus, "Rule": rule}) and not hasattr(
        lambda_models.LayerVersion, "physical_resource_id"
    )


@fault
def accept_archive_patterns() -> bool:
    archive = {
        "Type": "AWS::Events::Archive",
        "Properties": {
            "SourceArn": "arn:aws:events:us-east-1:123456789012:event-bus/default",
            "EventPattern": {"source": ["a"]},
        },
    }
    return raises(create_stack, {"Archive": archive})


@fault
def create_partner_buses() -> bool:
    name = "aws.partner/example.com/x"
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": name, "EventSourceName": name}}
    return raises(create_stack, {"Bus": bus})


def role_resource(*policies: str) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": policies},
    }


@fault
def attach_managed_policies() -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = client("iam").create_policy(PolicyName="p", PolicyDocument=document)["Policy"]
    role = create_stack({"Role": role_resource(policy["Arn"])})["Role"]
    return client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


@fault
def keep_dead_letter_queues_of_functions() -> bool:
    create_stack(
        {
            "Role": role_resource(),
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {"ZipFile": "def handler(event, context): pass"},
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Runtime": "python3.13",
                    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"},
                },
            },
        }
    )
    (function,) = get_backend("123456789012", "us-east-1").list_functions()
    return not hasattr(function, "dead_letter_config")


# -- DynamoDB


def create_table() -> Any:
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return dynamodb


@fault
def serialise_requests() -> bool:
    dynamodb = create_table()
    get_item = table_models.Table.get_item
    winners: list[int] = []

    def slow_get_item(*arguments: Any, **options: Any) -> Any:
        item = get_item(*arguments, **options)
        time.sleep(0.1)
        return item

    def put() -> None:
        if not raises(
            dynamodb.put_item,
            TableName="t",
            Item={"id": {"S": "x"}},
            ConditionExpression="attribute_not_exists(id)",
        ):
            winners.append(1)

    table_models.Table.get_item = slow_get_item
    try:
        together(put, put)
    finally:
        table_models.Table.get_item = get_item
    return len(winners) == 2


@fault
def roll_back_touched_items() -> bool:
    dynamodb = create_table()
    copied: list[Any] = []

    def deepcopy(table: Any, memo: Any) -> Any:
        copied.append(table)
        return table

    table_models.Table.__deepcopy__ = deepcopy
    try:
        dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": "t", "Item": {"id": {"S": "x"}}}}]
        )
    finally:
        del table_models.Table.__deepcopy__
    return bool(copied)


@fault
def look_into_one_partition() -> bool:
    dynamodb = client("dynamodb")
    keys = {"owner": "HASH", "number": "RANGE"}
    dynamodb.create_table(
        TableName="partitioned",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        BillingMode="PAY_PER_REQUEST",
    )
    for owner in ("ours", "theirs"):
        item = {"owner": {"S": owner}, "number": {"S": "1"}}
        dynamodb.put_item(TableName="partitioned", Item=item)
    seen: list[str] = []
    all_items = table_models.Table.all_items

    def see(table: Any) -> Any:
        items = all_items(table)
        seen.extend(item.hash_key.value for item in items)
        return items

    table_models.Table.all_items = see
    try:
        found = dynamodb.query(
            TableName="partitioned",
            KeyConditionExpression="#o = :o",
            ExpressionAttributeNames={"#o": "owner"},
            ExpressionAttributeValues={":o": {"S": "ours"}},
        )
    finally:
        table_models.Table.all_items = all_items
    assert found["Count"] == 1
    return seen != ["ours"]


# -- SQS


@fault
def leave_polling_to_event_sources() -> bool:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    client("lambda").create_function(
        FunctionName="f",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="index.handler",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
    )
    client("lambda").create_event_source_mapping(
        FunctionName="f", EventSourceArn="arn:aws:sqs:us-east-1:123456789012:q"
    )
    queue = sqs_models.sqs_backends["123456789012"]["us-east-1"].queues["q"]
    send_sqs_batch = lambda_models.LambdaBackend.send_sqs_batch
    lambda_models.LambdaBackend.send_sqs_batch = lambda *arguments: True
    try:
        sqs.send_message(QueueUrl=url, MessageBody="m")
    finally:
        lambda_models.LambdaBackend.send_sqs_batch = send_sqs_batch
    return not queue._messages


@fault
def lock_messages() -> bool:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="m")
    mark_received = sqs_models.Message.mark_received
    received: list[Any] = []

    def slow(self: Any, visibility_timeout: int | None = None) -> None:
        time.sleep(0.1)
        mark_received(self, visibility_timeout)

    def receive() -> None:
        received.extend(sqs.receive_message(QueueUrl=url).get("Messages", []))

    sqs_models.Message.mark_received = slow
    try:
        together(receive, receive)
    finally:
        sqs_models.Message.mark_received = mark_received
    return len(received) == 2


# -- Step Functions


def state_machine(definition: dict[str, Any]) -> str:
    return client("stepfunctions").create_state_machine(
        name="m", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/r"
    )["stateMachineArn"]


def one_state(**state: Any) -> dict[str, Any]:
    return {"StartAt": "Only", "States": {"Only": state}}


def start(definition: dict[str, Any], **options: Any) -> str:
    return client("stepfunctions").start_execution(
        stateMachineArn=state_machine(definition), **options
    )["executionArn"]


def describe(arn: str) -> dict[str, Any]:
    return client("stepfunctions").describe_execution(executionArn=arn)


def finished(arn: str, seconds: float = 5) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while describe(arn)["status"] == "RUNNING" and time.monotonic() < end:
        time.sleep(0.01)
    return describe(arn)


def run(**state: Any) -> dict[str, Any]:
    return finished(start(one_state(**state), name="e"))


@fault
def create_executing_state_machines() -> bool:
    arn = create_stack(
        {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "DefinitionString": json.dumps(one_state(Type="Pass", Result="${X}", End=True)),
                    "DefinitionSubstitutions": {"X": "filled in"},
                    "RoleArn": "arn:aws:iam::123456789012:role/r",
                },
            }
        }
    )["Machine"]
    return raises(client("stepfunctions").describe_state_machine, stateMachineArn=arn)


@fault
def name_every_execution() -> bool:
    return start(one_state(Type="Succeed")).endswith(":None")


@fault
def write_start_time_as_text() -> bool:
    execution = SimpleNamespace(
        exec_arn="a",
        name="n",
        role_arn="r",
        input_data={},
        start_date=datetime.datetime.now(datetime.UTC),
    )
    details = execution_models.Execution.get_start_execution_details(execution)
    return not isinstance(details.start_time, str)


@fault
def end_executions_at_once() -> bool:
    order: list[str] = []

    class Execution:
        exec_worker = SimpleNamespace(
            env=SimpleNamespace(
                program_state=ProgramEnded, states=SimpleNamespace(get_input=lambda: {})
            )
        )

        def __setattr__(self, name: str, value: Any) -> None:
            order.append(name)

    execution_models.BaseExecutionWorkerCommunication(Execution())._reflect_execution_status()
    return order.index("exec_status") < order.index("output")


@fault
def describe_ends_of_executions() -> bool:
    return "output" not in run(Type="Pass", Result=None, End=True)


@fault
def stop_waiting_executions() -> bool:
    arn = start(one_state(Type="Wait", Seconds=600, End=True), name="e")
    time.sleep(0.1)
    client("stepfunctions").stop_execution(executionArn=arn, error="Op", cause="why")
    return finished(arn).get("error") != "Op"


@fault
def page_execution_history() -> bool:
    arn = start(one_state(Type="Succeed"), name="e")
    finished(arn)
    page = client("stepfunctions").get_execution_history(executionArn=arn, maxResults=1)
    return len(page["events"]) > 1


def asking(url: str, **rest: Any) -> dict[str, Any]:
    """A state machine that sends its task token to a queue."""
    return one_state(
        Type="Task",
        Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        Parameters={"QueueUrl": url, "MessageBody.$": "$$.Task.Token"},
        End=True,
        **rest,
    )


def token(url: str) -> str:
    messages = client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    return messages[0]["Body"]


@fault
def answer_task_tokens_once() -> bool:
    url = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    arn = start(asking(url), name="e")
    states = client("stepfunctions")
    states.send_task_failure(taskToken=token(url), error="Refused", cause="why")
    return finished(arn).get("cause") != "why"


@fault
def end_task_tokens_with_their_attempt() -> bool:
    url = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    retry = [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    arn = start(asking(url, Retry=retry), name="e")
    client("stepfunctions").send_task_failure(taskToken=token(url), error="Again")
    return finished(arn, seconds=2)["status"] == "FAILED"


# -- the interpreter


@fault
def evaluate_jsonata() -> bool:
    result = run(QueryLanguage="JSONata", Type="Pass", Output="{% 1 + 1 %}", End=True)
    return result.get("output") != "2"


@fault
def keep_text_escapes() -> bool:
    return run(Type="Pass", Result='a "q" \\', End=True).get("output") != '"a \\"q\\" \\\\"'


@fault
def fail_with_states_errors() -> bool:
    return run(Type="Fail", Error="States.Timeout").get("error") != "States.Timeout"


@fault
def keep_runtime_errors_from_all() -> bool:
    everything = ErrorEqualsDecl([StatesErrorName(StatesErrorNameType.StatesALL)])
    environment = SimpleNamespace(stack=[StatesErrorName(StatesErrorNameType.StatesRuntime)])
    everything._eval_body(environment)
    return environment.stack == [True]


@fault
def name_unmatched_choices() -> bool:
    definition = one_state(
        Type="Choice", Choices=[{"Variable": "$.x", "IsPresent": True, "Next": "Done"}]
    )
    definition["States"]["Done"] = {"Type": "Succeed"}
    return finished(start(definition, name="e"))["error"] != "States.NoChoiceMatched"


@fault
def name_denied_invocations() -> bool:
    response = {
        "Error": {"Code": "AccessDeniedException", "Message": "not authorized"},
        "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "r"},
    }
    denied = ClientError(response, "Invoke")
    error, _ = lambda_tasks.StateTaskServiceLambda._error_cause_from_client_error(denied)
    return error != "Lambda.AWSLambdaException"


@fault
def write_failed_entries_as_text() -> bool:
    refused = events_tasks.SfnFailedEntryCountException(cause={"FailedEntryCount": 1})
    return not isinstance(refused.cause, str)


@fault
def interrupt_waits_between_retries() -> bool:
    definition = one_state(
        Type="Parallel",
        Branches=[one_state(Type="Fail", Error="Again")],
        Retry=[{"ErrorEquals": ["Again"], "IntervalSeconds": 5}],
        End=True,
    )
    arn = start(definition, name="e")
    time.sleep(0.2)
    client("stepfunctions").stop_execution(executionArn=arn)
    return finished(arn, seconds=0.5)["status"] == "RUNNING"


@fault
def run_distributed_maps() -> bool:
    """The item is not run, so that the state that it fails in is not reached."""
    definition = one_state(
        Type="Map",
        ItemProcessor={
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            **one_state(Type="Fail", Error="Broken"),
        },
        ItemsPath="$.items",
        ItemSelector={"item.$": "$$.Map.Item.Value"},
        End=True,
    )
    arn = start(definition, name="e", input='{"items": [1]}')
    return finished(arn).get("error") != "States.ExceedToleratedFailureThreshold"


@fault
def parse_definitions_once() -> bool:
    arn = state_machine(one_state(Type="Succeed", Comment="parsed"))
    input_stream = asl_parser.InputStream
    parsed: list[str] = []

    def count(definition: str) -> Any:
        parsed.append(definition)
        return input_stream(definition)

    asl_parser.InputStream = count
    try:
        for name in ("a", "b"):
            started = client("stepfunctions").start_execution(stateMachineArn=arn, name=name)
            finished(started["executionArn"])
    finally:
        asl_parser.InputStream = input_stream
    return bool(parsed)


@fault
def parse_paths_once() -> bool:
    definition, names = one_state(Type="Pass", End=True), iter("ab")
    return repeats(
        JsonPathParser, "__init__", lambda: finished(start(definition, name=next(names)))
    )


@fault
def forget_threads() -> bool:
    before = len(TMP_THREADS)
    run(Type="Succeed")
    return len(TMP_THREADS) > before


# -- AppConfig


@fault
def serve_deployments() -> bool:
    return raises(
        client("appconfig").create_deployment_strategy,
        Name="s",
        DeploymentDurationInMinutes=0,
        GrowthFactor=100,
    )


@fault
def serve_configurations() -> bool:
    url = "https://appconfigdata.us-east-1.amazonaws.com"
    patterns = backend_index.backend_url_patterns
    return not any(pattern.match(url) for service, pattern in patterns)


# -- EventBridge


def rule_to_queue(**options: Any) -> str:
    """The URL of a queue that a rule on the default bus sends to."""
    events = client("events")
    url = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    events.put_rule(Name="rule", EventPattern='{"source": ["a"]}', **options)
    target = {"Id": "q", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}
    events.put_targets(Rule="rule", Targets=[target])
    return url


def put_event() -> None:
    client("events").put_events(Entries=[{"Source": "a", "DetailType": "d", "Detail": "{}"}])


@fault
def deliver_to_every_target() -> bool:
    url = rule_to_queue(State="DISABLED")
    put_event()
    return "Messages" in client("sqs").receive_message(QueueUrl=url)


@fault
def replay_the_window() -> bool:
    url = rule_to_queue()
    events = client("events")
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    archive = events.create_archive(ArchiveName="archive", EventSourceArn=bus)["ArchiveArn"]
    put_event()
    client("sqs").purge_queue(QueueUrl=url)
    events.start_replay(
        ReplayName="replay",
        EventSourceArn=archive,
        EventStartTime=1000,
        EventEndTime=2000,
        Destination={"Arn": bus},
    )
    return "Messages" in client("sqs").receive_message(QueueUrl=url)


# -- EventBridge Scheduler


@fault
def miss_groups() -> bool:
    scheduler = client("scheduler")
    try:
        scheduler.create_schedule(
            Name="s",
            GroupName="lost",
            ScheduleExpression="at(2030-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:sqs:us-east-1:123456789012:q",
                "RoleArn": "arn:aws:iam::123456789012:role/r",
            },
        )
    except scheduler.exceptions.ResourceNotFoundException:
        return False
    except KeyError:
        return True
    return False


# -- IAM


@fault
def evaluate_identity_policies() -> bool:
    create_table()
    iam = client("iam")
    iam.create_user(UserName="u")
    statement = {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/t",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    reader = client(
        "dynamodb",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with enable_iam_authentication():
        return raises(reader.get_item, TableName="t", Key={"id": {"S": "x"}})


def correct() -> None:
    """Apply every correction."""
    from local.cloud import (
        appconfig,
        cloudformation,
        dynamodb,
        eventbridge,
        iam,
        interpreter,
        requests,
        scheduler,
        sqs,
        stepfunctions,
    )
    from local.cloud.clock import clock
    from local.cloud.corrections import Corrections

    clock.start()
    corrections = Corrections()
    requests.correct(corrections)
    cloudformation.correct(corrections, client)
    appconfig.correct(corrections)
    dynamodb.correct(corrections)
    sqs.correct(corrections, on_change=lambda queue_arn: None)
    stepfunctions.correct(corrections)
    interpreter.correct(corrections, client=lambda service, role: client(service))
    eventbridge.correct(
        corrections, deliver=lambda target, event, rule: None, on_change=lambda rule: None
    )
    scheduler.correct(corrections, on_change=lambda: None)
    iam.evaluate_identity_policies(corrections, iam.Authoriser())


def found() -> dict[str, bool | str]:
    """Whether each fault is there, or how its probe broke."""
    results: dict[str, bool | str] = {}
    for name, probe in faults.items():
        with mock_aws(config=SETTINGS):
            try:
                results[name] = probe()
            except Exception as error:
                results[name] = repr(error)
    return results


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if "corrected" in sys.argv[1:]:
        correct()
    print(json.dumps(found()))
