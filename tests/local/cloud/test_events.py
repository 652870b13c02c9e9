"""EventBridge rules, archives, queues and event source mappings, in virtual time."""

import json


def body(message):
    return json.loads(message["Body"])


def test_event_reaches_a_function_through_a_queue_as_aws_sends_it(stack):
    event_id = stack.publish("example.orders", id="shape")
    stack.until(lambda: stack.item("consumed#shape"), jump=False)
    event = json.loads(stack.item("consumed#shape")["body"]["S"])
    assert event["id"] == event_id
    assert event["account"] == "123456789012"
    assert event["region"] == "us-east-1"
    assert event["detail-type"] == "Test"
    assert event["time"].endswith("Z")
    assert set(event) == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }


def test_partner_bus(stack):
    stack.publish("aws.partner/example.com/orders", bus="PartnerBus", id="partner")
    stack.until(lambda: stack.depth("FromPartner"), jump=False)
    assert body(stack.receive("FromPartner")[0])["detail"] == {"id": "partner"}


def test_input_transformer(stack):
    event_id = stack.publish("example.transform", order='7"x')
    stack.until(lambda: stack.depth("Transformed"), jump=False)
    transformed = body(stack.receive("Transformed")[0])
    assert transformed["name"] == 'order-7"x'
    assert transformed["order"] == '7"x'
    assert transformed["event"]["id"] == event_id
    assert transformed["event"]["detail"] == {"order": '7"x'}
    assert transformed["envelope"]["id"] == event_id
    assert "detail" not in transformed["envelope"]
    assert "ToTransformed" in transformed["rule"]


def test_log_group_as_target(stack):
    stack.publish("example.logged", id="logged")
    logs = stack.client("logs")

    def messages():
        events = logs.filter_log_events(logGroupName=stack.physical("Log"))["events"]
        return [json.loads(event["message"]) for event in events]

    stack.until(messages, jump=False)
    assert messages()[0]["detail"] == {"id": "logged"}


def test_disabled_rule_is_silent(stack):
    stack.publish("example.transform", order="1")
    stack.until(lambda: stack.depth("Transformed"), jump=False)
    stack.receive("Transformed")
    assert stack.depth("Silent") == 0


def test_queue_that_does_not_accept_events(stack):
    stack.receive("DeadLetters")
    stack.publish("example.forbidden", id="forbidden")
    stack.until(lambda: stack.depth("DeadLetters"), jump=False)
    (message,) = stack.receive("DeadLetters")
    assert body(message)["detail"] == {"id": "forbidden"}
    attributes = message["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert stack.depth("NoPolicy") == 0


def test_function_as_target_is_tried_three_times_then_given_up(stack):
    stack.receive("DeadLetters")
    before = stack.now()
    calls = len(stack.cloud.invocations("Record"))
    stack.publish("example.recorded", id="lost", fail=True)
    stack.until(lambda: stack.depth("DeadLetters"))
    assert len(stack.cloud.invocations("Record")) - calls == 3
    assert 180 <= stack.now() - before < 200
    (message,) = stack.receive("DeadLetters")
    assert body(message)["detail"]["id"] == "lost"
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "told to fail"


def test_function_as_target(stack):
    stack.publish("example.recorded", id="kept")
    stack.until(lambda: stack.item("recorded#kept"), jump=False)


def test_replay_sends_the_window_only_to_the_rules_it_names(stack):
    archive = stack.client("events").list_archives()["Archives"][0]["ArchiveName"]
    archive_arn = stack.client("events").describe_archive(ArchiveName=archive)["ArchiveArn"]
    bus_arn = stack.client("events").describe_event_bus(Name=stack.physical("Bus"))["Arn"]
    stack.publish("example.transform", order="before")
    stack.cloud.clock.advance(1000)
    start = stack.now() - 2
    event_id = stack.publish("example.transform", order="within")
    stack.cloud.clock.advance(1000)
    stack.publish("example.transform", order="after")
    stack.until(lambda: stack.depth("Transformed") == 3, jump=False)
    stack.receive("Transformed")

    def replay(name, rule):
        described = stack.client("events").describe_rule(
            Name=stack.physical(rule).rpartition("|")[2], EventBusName=stack.physical("Bus")
        )
        stack.client("events").start_replay(
            ReplayName=name,
            EventSourceArn=archive_arn,
            EventStartTime=start,
            EventEndTime=start + 10,
            Destination={"Arn": bus_arn, "FilterArns": [described["Arn"]]},
        )

    replay("to-another-rule", "ToInbox")
    replay("window", "ToTransformed")
    stack.until(lambda: stack.depth("Transformed"), jump=False)
    (message,) = stack.receive("Transformed")
    event = body(message)["event"]
    assert event["detail"] == {"order": "within"}
    assert event["id"] == event_id
    assert event["replay-name"] == "window"
    archived = stack.client("events").describe_archive(ArchiveName=archive)["EventCount"]
    stack.publish("example.transform", order="more")
    stack.until(lambda: stack.depth("Transformed"), jump=False)
    after = stack.client("events").describe_archive(ArchiveName=archive)["EventCount"]
    assert after == archived + 1


def test_poisoned_message_is_redriven_and_the_rest_of_its_batch_is_not(stack):
    stack.receive("DeadLetters")
    before = stack.now()
    sqs = stack.client("sqs")
    sqs.send_message_batch(
        QueueUrl=stack.physical("Inbox"),
        Entries=[
            {
                "Id": str(number),
                "MessageBody": json.dumps({"id": f"p{number}", "poison": number == 4}),
            }
            for number in range(10)
        ],
    )
    stack.until(lambda: stack.depth("DeadLetters"))
    (message,) = stack.receive("DeadLetters")
    assert body(message)["id"] == "p4"
    assert 60 <= stack.now() - before < 70
    assert stack.depth("Inbox") == 0
    assert all(stack.item(f"consumed#p{number}") for number in range(10) if number != 4)
    assert stack.item("consumed#p4") is None


def test_event_source_polls_under_the_functions_role(stack):
    stack.send("Inbox", {"id": "polled"})
    stack.until(lambda: stack.item("consumed#polled"), jump=False)
    actions = {
        decision.action
        for decision in stack.cloud.decisions
        if decision.role == stack.physical("ConsumeRole") and decision.allowed
    }
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage"} <= actions
    assert all(
        decision.resource.endswith(stack.physical("Inbox").split("/")[-1])
        for decision in stack.cloud.decisions
        if decision.action.startswith("sqs:")
    )


def test_delayed_message(stack):
    before = stack.now()
    stack.client("sqs").send_message(
        QueueUrl=stack.physical("Inbox"), MessageBody='{"id": "late"}', DelaySeconds=600
    )
    stack.until(lambda: stack.item("consumed#late"))
    assert 600 <= stack.now() - before < 610


def test_alarm_exists(stack):
    (alarm,) = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["AlarmName"] == stack.physical("DeadLettersAlarm")
    assert alarm["AlarmActions"] == [stack.physical("Notices")]
