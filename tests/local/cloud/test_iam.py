"""Policies are evaluated as IAM does."""

import boto3
import pytest
from moto import mock_aws

from local.cloud.iam import Access, accesses, condition_holds, is_allowed
from local.cloud.names import REGION

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"


def statement(effect="Allow", action="dynamodb:*", resource="*", **rest):
    return {"Effect": effect, "Action": action, "Resource": resource, **rest}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([], False),
        ([statement()], True),
        ([statement(action=["dynamodb:Get*", "dynamodb:Query"])], True),
        ([statement(action="DynamoDB:getitem")], True),
        ([statement(action="dynamodb:Put*")], False),
        ([statement(resource=TABLE)], True),
        ([statement(resource=TABLE + "/index/*")], False),
        ([statement(resource=[TABLE.replace("orders", "o?ders")])], True),
        ([statement(), statement("Deny", action="dynamodb:GetItem")], False),
        ([statement(), statement("Deny", action="dynamodb:PutItem")], True),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], True),
        ([{"Effect": "Allow", "Action": "*", "NotResource": TABLE}], False),
        ([statement(Condition={"StringEquals": {"events:source": "a"}})], True),
        ([statement(Condition={"StringEquals": {"events:source": ["x", "b"]}})], False),
        ([statement(Condition={"StringEquals": {"events:other": "a"}})], False),
    ],
)
def test_statements(statements, allowed):
    access = Access("dynamodb:GetItem", TABLE, (("events:source", "a"),))
    assert is_allowed(statements, access) is allowed


@pytest.mark.parametrize(
    ("operator", "expected", "actual", "holds"),
    [
        ("StringEquals", ["a"], "a", True),
        ("StringEquals", ["a*"], "ab", False),
        ("StringEquals", ["a"], None, False),
        ("StringEqualsIfExists", ["a"], None, True),
        ("StringNotEquals", ["a"], "b", True),
        ("StringNotEquals", ["a"], None, True),
        ("StringLike", ["a*"], "ab", True),
        ("StringNotLike", ["a*"], "ab", False),
        ("ArnLike", ["arn:*:rule/x"], "arn:aws:events:rule/x", True),
        ("ArnEquals", ["arn:aws:events:rule/x"], "arn:aws:events:rule/y", False),
        ("ForAllValues:StringEquals", ["a"], None, True),
        ("ForAnyValue:StringLike", ["a*"], "ab", True),
    ],
)
def test_conditions(operator, expected, actual, holds):
    assert condition_holds(operator, expected, actual) is holds


def test_unknown_condition_is_not_guessed():
    with pytest.raises(NotImplementedError):
        condition_holds("DateGreaterThan", ["2020"], "2021")


def test_transaction_needs_an_action_per_item():
    body = {
        "TransactItems": [
            {"Put": {"TableName": "orders"}},
            {"ConditionCheck": {"TableName": "other"}},
        ]
    }
    found = accesses("dynamodb", "TransactWriteItems", body, "/")
    assert [access.action for access in found] == [
        "dynamodb:PutItem",
        "dynamodb:ConditionCheckItem",
    ]
    assert found[0].resource == TABLE


def test_batches_of_messages_need_the_single_action():
    body = {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/inbox"}
    (access,) = accesses("sqs", "SendMessageBatch", body, "/")
    assert access == Access("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:inbox")


def test_event_carries_its_conditions():
    body = {"Entries": [{"EventBusName": "bus", "Source": "a", "DetailType": "d"}]}
    (access,) = accesses("events", "PutEvents", body, "/")
    assert access.resource == "arn:aws:events:us-east-1:123456789012:event-bus/bus"
    assert dict(access.conditions) == {"events:source": "a", "events:detail-type": "d"}


def test_each_event_of_a_request_needs_its_own_permission():
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html"""
    entries = [
        {"EventBusName": "bus", "Source": "interlock", "DetailType": kind}
        for kind in ("credit.granted", "order.closed")
    ]
    granted, closed = accesses("events", "PutEvents", {"Entries": entries}, "/")
    condition = {
        "StringEquals": {"events:source": "interlock"},
        "StringLike": {"events:detail-type": "credit.*"},
    }
    assert is_allowed([statement(action="events:PutEvents", Condition=condition)], granted)
    assert not is_allowed([statement(action="events:PutEvents", Condition=condition)], closed)


def test_invocation_by_arn():
    path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/invocations"
    (access,) = accesses("lambda", "Invoke", {}, path)
    assert access.action == "lambda:InvokeFunction"
    assert access.resource.endswith(":function:f")


@mock_aws
def test_the_partition_of_an_item_is_a_condition():
    """Unless no single item is asked for, or the table is not there."""
    client = boto3.client("dynamodb", region_name=REGION)
    client.create_table(
        TableName="orders",
        AttributeDefinitions=[
            {"AttributeName": "owner", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "owner", "KeyType": "HASH"},
            {"AttributeName": "number", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"number": {"N": "1"}, "owner": {"S": "ours"}}
    [access] = accesses("dynamodb", "UpdateItem", {"TableName": "orders", "Key": key}, "/")
    ours = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ours"]}}
    theirs = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["theirs"]}}
    assert is_allowed([statement(Condition=ours)], access)
    assert not is_allowed([statement(Condition=theirs)], access)
    for body in ({"TableName": "orders"}, {"TableName": "lost", "Key": key}):
        [access] = accesses("dynamodb", "UpdateItem", body, "/")
        assert access.conditions == ()


def test_a_schedule_needs_its_group_and_to_pass_its_role():
    role = "arn:aws:iam::123456789012:role/remind"
    body = {"GroupName": "reminders", "Target": {"RoleArn": role}}
    schedule, passed = accesses("scheduler", "CreateSchedule", body, "/schedules/first")
    assert schedule == Access(
        "scheduler:CreateSchedule",
        "arn:aws:scheduler:us-east-1:123456789012:schedule/reminders/first",
    )
    condition = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    assert is_allowed(
        [statement(action="iam:PassRole", resource=role, Condition=condition)], passed
    )

    [deleted] = accesses("scheduler", "DeleteSchedule", {"groupName": "g"}, "/schedules/first")
    assert deleted.resource.endswith(":schedule/g/first")
    [listed] = accesses("scheduler", "ListSchedules", {}, "/schedules")
    assert listed.resource == "*"
