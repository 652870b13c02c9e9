"""State machines run their real definitions, in virtual time."""

import datetime
import json
import threading
import uuid

import pytest
from botocore.exceptions import ClientError


def test_map_function_and_event(stack):
    output = stack.output("happy", id="happy", lines=[1, 2, 3])
    assert output["total"] == 12
    assert output["quote"] == 'a "q" \\ é\n'
    assert output["failed"] == 0
    assert datetime.datetime.fromisoformat(output["started"]).tzinfo
    stack.until(lambda: stack.item("recorded#happy"), jump=False)
    event = json.loads(stack.item("recorded#happy")["body"]["S"])
    assert [arn.split(":")[5] for arn in event["resources"]] == ["stateMachine", "execution"]


def test_functions_of_step_functions(stack):
    output = stack.output("functions")
    assert output["parts"] == [[1, 2], [3, 4], [5]]
    assert output["range"] == [0, 5, 10]
    assert output["parsed"] == {"k": [1]}
    assert output["uuid"] == 36
    assert output["hash"].startswith("ca978112ca1bbdca")
    now = datetime.datetime.fromisoformat(output["now"]).timestamp()
    assert abs(now - stack.now()) < 60


def test_retries_wait_in_virtual_time(stack):
    before = stack.now()
    arn = stack.start("task", payload={"do": "fail-twice", "id": "retried"})
    assert json.loads(stack.finish(arn)["output"]) == "done"
    assert stack.now() - before < 30 + 60 + 10
    types = [event["type"] for event in stack.history(arn)]
    assert types.count("TaskFailed") == 2


def test_error_of_a_function_is_caught_by_its_name(stack):
    output = stack.output("task", payload={"do": "fail"})
    assert output["error"] == "ValueError"
    assert json.loads(output["cause"])["errorMessage"] == 'a "bad"\nthing'


def test_timeout_of_a_function(stack):
    output = stack.output("task", payload={"do": "sleep", "seconds": 5})
    assert output["error"] == "Sandbox.Timedout"


def test_output_may_be_null(stack):
    assert stack.output("null") is None


def test_undefined_expression(stack):
    description = stack.run("undefined")
    assert description["status"] == "FAILED"
    assert description["error"] == "States.QueryEvaluationError"


def test_no_choice_matched(stack):
    assert stack.run("unknown")["error"] == "States.NoChoiceMatched"


def test_fail_may_raise_a_states_error_again(stack):
    description = stack.run("rethrow")
    assert (description["error"], description["cause"]) == ("States.Timeout", "again")


def test_broken_branch_ends_the_others(stack):
    before = stack.now()
    assert stack.output("parallel") == {"error": "Broken", "cause": "on purpose"}
    assert stack.now() - before < 100


def test_role_without_permission(stack):
    description = stack.run("denied")
    assert description["error"] == "Lambda.AWSLambdaException"
    assert "is not authorized to perform: lambda:InvokeFunction" in description["cause"]


def test_long_wait(stack):
    before = stack.now()
    assert stack.output("wait") == {"done": True}
    assert 2_592_000 <= stack.now() - before < 2_592_100


def test_wait_is_not_skipped_while_something_outside_works(stack):
    arn = stack.start("wait")
    stack.outside.set()
    try:
        with pytest.raises(TimeoutError):
            stack.cloud.run_until(lambda: stack.execution(arn)["status"] != "RUNNING", timeout=0.3)
    finally:
        stack.outside.clear()
    assert stack.finish(arn)["status"] == "SUCCEEDED"


def test_wait_until(stack):
    at = stack.cloud.clock.utc() + datetime.timedelta(hours=2)
    stack.output("until", at=at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert abs(stack.now() - at.timestamp()) < 10


class TestTaskToken:
    def ask(self, stack) -> tuple[str, str]:
        """Execution and task token of a task that waits for its answer."""
        identifier = uuid.uuid4().hex
        arn = stack.start("token", id=identifier)
        stack.until(lambda: stack.item(identifier), jump=False)
        return arn, stack.item(identifier)["token"]["S"]

    def test_success(self, stack):
        arn, token = self.ask(stack)
        stack.client("stepfunctions").send_task_success(taskToken=token, output='{"by": "ann"}')
        assert json.loads(stack.finish(arn)["output"]) == {"by": "ann"}

    def test_failure_keeps_error_and_cause(self, stack):
        arn, token = self.ask(stack)
        stack.client("stepfunctions").send_task_failure(
            taskToken=token, error="Refused", cause='no "budget"'
        )
        output = json.loads(stack.finish(arn)["output"])
        assert output == {"error": "Refused", "cause": 'no "budget"'}

    def test_silence_times_out(self, stack):
        arn, token = self.ask(stack)
        before = stack.now()
        assert json.loads(stack.finish(arn)["output"])["error"] == "States.Timeout"
        assert 3500 < stack.now() - before < 3700
        with pytest.raises(ClientError, match="TaskTimedOut"):
            stack.client("stepfunctions").send_task_success(taskToken=token, output="1")

    def test_second_answer_is_refused(self, stack):
        arn, token = self.ask(stack)
        states = stack.client("stepfunctions")
        states.send_task_success(taskToken=token, output='"first"')
        with pytest.raises(ClientError, match="TaskTimedOut"):
            states.send_task_success(taskToken=token, output='"second"')
        assert json.loads(stack.finish(arn)["output"]) == "first"

    def test_unknown_token(self, stack):
        with pytest.raises(ClientError, match="InvalidToken"):
            stack.client("stepfunctions").send_task_success(taskToken="none", output="1")

    def test_stop(self, stack):
        arn, _ = self.ask(stack)
        stack.client("stepfunctions").stop_execution(executionArn=arn, error="Op", cause="why")
        description = stack.finish(arn, jump=False)
        assert description["status"] == "ABORTED"
        assert (description["error"], description["cause"]) == ("Op", "why")


def test_stop_of_a_waiting_execution(stack):
    arn = stack.start("wait")
    stack.until(lambda: len(stack.history(arn)) >= 4, jump=False)
    stack.client("stepfunctions").stop_execution(executionArn=arn, error="Op", cause="why")
    description = stack.finish(arn, jump=False)
    assert (description["status"], description["error"]) == ("ABORTED", "Op")
    assert description["stopDate"]
    assert stack.history(arn)[-1]["type"] == "ExecutionAborted"


def test_stop_between_retries(stack):
    arn = stack.start("task", payload={"do": "fail-twice", "id": uuid.uuid4().hex})
    stack.until(
        lambda: any(event["type"] == "TaskFailed" for event in stack.history(arn)), jump=False
    )
    stack.client("stepfunctions").stop_execution(executionArn=arn, error="Op", cause="why")
    assert stack.finish(arn, jump=False)["status"] == "ABORTED"


def test_history_in_pages_and_backwards(stack):
    arn = stack.start("happy", id="paged", lines=[1])
    stack.finish(arn)
    events = stack.history(arn)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    page = stack.client("stepfunctions").get_execution_history(
        executionArn=arn, reverseOrder=True, maxResults=5
    )
    assert [event["id"] for event in page["events"]] == [event["id"] for event in events[::-1][:5]]
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    ids = [
        event["id"]
        for page in pages.paginate(executionArn=arn, maxResults=4)
        for event in page["events"]
    ]
    assert ids == [event["id"] for event in events]


def test_executions_by_status(stack):
    arn = stack.start("wait")
    states = stack.client("stepfunctions")
    running = states.list_executions(
        stateMachineArn=stack.physical("Process"), statusFilter="RUNNING"
    )["executions"]
    assert arn in [execution["executionArn"] for execution in running]
    stack.finish(arn)
    succeeded = states.list_executions(
        stateMachineArn=stack.physical("Process"), statusFilter="SUCCEEDED"
    )["executions"]
    assert all(execution["stopDate"] for execution in succeeded)


def test_one_name_starts_one_execution(stack):
    name = uuid.uuid4().hex
    arns = set()

    def start():
        arns.add(stack.start("wait", name=name))

    threads = [threading.Thread(target=start) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arns) == 1
    listed = stack.client("stepfunctions").list_executions(
        stateMachineArn=stack.physical("Process")
    )["executions"]
    assert [execution["name"] for execution in listed].count(name) == 1
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        stack.start("null", name=name)
    stack.finish(arns.pop())


def test_many_executions_do_not_mix(stack):
    arns = {
        number: stack.start("happy", id=f"many-{number}", lines=[number] * (number % 3 + 1))
        for number in range(20)
    }
    for number, arn in arns.items():
        total = json.loads(stack.finish(arn)["output"])["total"]
        assert total == number * 2 * (number % 3 + 1)
