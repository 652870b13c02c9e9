"""Functions run as real processes, under their own roles."""

import base64
import json
import os
import signal
import socket
import threading
import time

import pytest

from local.cloud.sandbox import RuntimeApi


def test_function_gets_its_layers_and_third_party_packages(stack):
    assert stack.call("Work", {"do": "shout", "text": "loud"}) == "LOUD"


@pytest.mark.parametrize("module", ["interlock", "local"])
def test_function_does_not_see_the_project(stack, module):
    error = stack.failure("Work", {"do": "import", "module": module})
    assert error["errorType"] == "ModuleNotFoundError"


def test_environment_is_the_templates_and_lambdas(stack):
    environment = stack.call("Work", {"do": "environment"})
    assert environment["TABLE"] == stack.physical("Items")
    assert environment["LEVEL"] == "low"
    assert environment["STACK"] == "interlock-local"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == stack.physical("Work")
    assert environment["AWS_ENDPOINT_URL"] == stack.cloud.url
    assert environment["POWERTOOLS_TRACE_DISABLED"] == "true"
    assert "PYTEST_CURRENT_TEST" not in environment


def test_secret_and_parameter_of_the_template(stack):
    assert stack.call("Work", {"do": "configuration"}) == ['{"token": "t"}', '{"stage": "test"}']


def test_generated_secret(stack):
    answer = stack.client("secretsmanager").get_secret_value(
        SecretId=stack.physical("GeneratedSecret")
    )
    secret = json.loads(answer["SecretString"])
    assert secret["user"] == "someone"
    assert len(secret["password"]) == 20


def test_error_carries_type_and_message(stack):
    error = stack.failure("Work", {"do": "fail"})
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", 'a "bad"\nthing')


def test_timeout_is_real_and_the_next_call_gets_a_fresh_process(stack):
    start = time.monotonic()
    error = stack.failure("Work", {"do": "sleep", "seconds": 5})
    assert time.monotonic() - start < 3
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert stack.call("Work", {"do": "shout", "text": "again"}) == "AGAIN"


def test_killed_process(stack):
    assert stack.failure("Work", {"do": "die"})["errorType"] == "Runtime.ExitError"
    assert stack.call("Work", {"do": "shout", "text": "again"}) == "AGAIN"


def test_process_killed_from_outside_at_work(stack):
    errors = []
    event = {"do": "sleep", "seconds": 0.9}
    call = threading.Thread(target=lambda: errors.append(stack.failure("Work", event)))
    call.start()
    stack.until(lambda: any(process.busy for process in stack.cloud.processes), jump=False)
    [victim] = [process for process in stack.cloud.processes if process.busy]
    assert victim.function == "Work"
    os.kill(victim.id, signal.SIGKILL)
    call.join()
    assert [error["errorType"] for error in errors] == ["Runtime.ExitError"]
    assert victim.id not in [process.id for process in stack.cloud.processes]


def test_process_killed_from_outside_between_two_calls(stack):
    begun = stack.cloud.invocations_begun
    stack.call("Work", {"do": "shout", "text": "first"})
    idle = [process for process in stack.cloud.processes if process.function == "Work"]
    for process in idle:
        os.kill(process.id, signal.SIGKILL)
    killed = {process.id for process in idle}
    stack.until(lambda: killed.isdisjoint(each.id for each in stack.cloud.processes), jump=False)
    assert stack.call("Work", {"do": "shout", "text": "again"}) == "AGAIN"
    assert stack.cloud.invocations_begun == begun + 2


@pytest.mark.parametrize("head", ["Content-Length: 9", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("body", ['9\r\n{"a', ""])
def test_half_an_answer_of_a_killed_process_is_none(head, body):
    api = RuntimeApi()
    request = f"POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\n{head}\r\n\r\n{body}"
    with socket.create_connection(api.server_address) as killed:
        killed.sendall(request.encode())
        killed.shutdown(socket.SHUT_WR)
        assert killed.recv(100) == b""
    assert api.posted.empty()
    api.close()


def test_log_lines_belong_to_their_invocation(stack):
    answer = stack.response("Work", {"do": "log", "text": "hello"})
    tail = base64.b64decode(answer["LogResult"]).decode()
    invocation = stack.cloud.invocations("Work")[-1]
    assert tail == "\n".join(invocation.lines)
    assert [json.loads(invocation.lines[-2])["message"], invocation.lines[-1]] == [
        "hello",
        "printed",
    ]
    assert "printed" in stack.cloud.logs("Work")


def test_embedded_metrics_become_cloudwatch_metrics(stack):
    stack.call("Work", {"do": "measure", "value": 3})
    statistics = stack.client("cloudwatch").get_metric_statistics(
        Namespace="Example",
        MetricName="Measured",
        Dimensions=[{"Name": "service", "Value": "work"}],
        StartTime="2020-01-01T00:00:00Z",
        EndTime="2100-01-01T00:00:00Z",
        Period=86400,
        Statistics=["Sum"],
    )
    assert statistics["Datapoints"][0]["Sum"] == 3


def test_calls_run_in_parallel(stack):
    start = time.monotonic()
    calls = [
        threading.Thread(target=stack.call, args=("Work", {"do": "sleep", "seconds": 0.6}))
        for _ in range(3)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert time.monotonic() - start < 1.5


def test_function_follows_the_virtual_clock(stack):
    before = stack.call("Work", {"do": "time"})
    stack.cloud.clock.advance(100_000)
    after = stack.call("Work", {"do": "time"})
    assert 100_000 <= after["time"] - before["time"] < 100_060
    assert abs(after["datetime"] - after["time"]) < 1
    assert after["is_datetime"]
    assert 0 < after["remaining"] <= 1000


def test_function_runs_under_its_own_role(stack):
    role = stack.physical("WorkRole")
    assert f":assumed-role/{role}/" in stack.call("Work", {"do": "identity"})


def test_permission_not_granted_is_refused_and_recorded(stack):
    error = stack.failure("Work", {"do": "forbidden"})
    assert "AccessDeniedException" in error["errorMessage"]
    refused = [decision for decision in stack.cloud.decisions if not decision.allowed]
    assert (refused[-1].role, refused[-1].action) == (
        stack.physical("WorkRole"),
        "dynamodb:PutItem",
    )
    assert refused[-1].resource.endswith("table/" + stack.physical("Other"))


def test_permission_granted_for_an_index(stack):
    assert stack.call("Work", {"do": "query", "owner": "nobody"}) == 0
    allowed = [decision for decision in stack.cloud.decisions if decision.allowed]
    assert allowed[-1].resource.endswith("/index/by-owner")


def test_function_by_logical_id_name_or_arn(stack):
    function = stack.cloud.function("Work")
    assert stack.cloud.function(function.name) is function
    assert stack.cloud.function(function.arn) is function
    with pytest.raises(KeyError):
        stack.cloud.function("Missing")
