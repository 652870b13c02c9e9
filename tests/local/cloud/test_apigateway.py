"""The API in front of the functions: what they get, who may call, what callers are told."""

import json
import socket
import threading
import time
from dataclasses import replace

import httpx
import pytest
from botocore.credentials import Credentials

from local.cloud.apigateway import INTEGRATION_SECONDS, LARGEST_BODY_BYTES, Route, routes
from local.cloud.names import ACCOUNT, REGION

MISSING = {"message": "Missing Authentication Token"}


def answered(stack, answer: object) -> httpx.Response:
    """The response to a request whose function returns `answer`."""
    return stack.request("PUT", "/open", json.dumps({"answer": answer}))


def works(stack) -> bool:
    """Whether the function behind the API has an event."""
    return any(each.function == "Answer" and each.busy for each in stack.cloud.processes)


# -- What a function gets


def test_the_event_is_the_request(stack):
    response = stack.request(
        "POST",
        "/open?b=1&a=x%20y&b=2&empty=",
        "grüße",
        {"X-Custom": "one", "Content-Type": "text/plain"},
    )
    event = response.json()
    assert response.status_code == 200
    assert (event["httpMethod"], event["resource"], event["path"]) == ("POST", "/open", "/open")
    assert (event["body"], event["isBase64Encoded"]) == ("grüße", False)
    assert event["queryStringParameters"] == {"b": "2", "a": "x y", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {
        "b": ["1", "2"],
        "a": ["x y"],
        "empty": [""],
    }
    assert event["headers"]["X-Custom"] == "one"
    assert event["multiValueHeaders"]["Content-Type"] == ["text/plain"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert "Content-Length" not in event["headers"]
    assert (event["pathParameters"], event["stageVariables"]) == (None, None)


def test_headers_come_as_often_and_in_the_case_that_they_were_sent(stack):
    headers = [("x-lower", "a"), ("X-Twice", "1"), ("X-Twice", "2")]
    event = httpx.get(stack.cloud.api_url + "/open", headers=headers).json()
    assert event["headers"]["x-lower"] == "a"
    assert event["headers"]["X-Twice"] == "2"
    assert event["multiValueHeaders"]["X-Twice"] == ["1", "2"]


def test_the_context_of_an_open_request_has_nobody(stack):
    context = stack.request("GET", "/open", headers={"User-Agent": "test"}).json()["requestContext"]
    who = {name for name, value in context["identity"].items() if value is not None}
    assert who == {"sourceIp", "userAgent"}
    assert (context["stage"], context["path"]) == ("v1", "/v1/open")
    assert context["apiId"] == stack.physical("Api")
    assert abs(context["requestTimeEpoch"] / 1000 - stack.now()) < 60


def test_nothing_in_the_body_or_the_query_is_none(stack):
    event = stack.request("GET", "/open").json()
    assert event["body"] is None
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/open/named", "/open/named", None),
        ("/open/a%20b%2Fc", "/open/{id}", {"id": "a b/c"}),
        ("/open/", "/open", None),
    ],
)
def test_the_most_specific_path_takes_the_request(stack, path, resource, parameters):
    event = stack.request("GET", path).json()
    assert (event["resource"], event["pathParameters"]) == (resource, parameters)


# -- What a client gets


def test_an_answer_becomes_the_response(stack):
    answer = {
        "statusCode": "303",
        "headers": {"Location": "/x", "X-Number": 7, "X-Both": "lost"},
        "multiValueHeaders": {"X-Both": ["a", "b"]},
        "body": "see there",
    }
    response = answered(stack, answer)
    assert (response.status_code, response.text) == (303, "see there")
    assert (response.headers["Location"], response.headers["X-Number"]) == ("/x", "7")
    assert response.headers.get_list("X-Both") == ["a", "b"]
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-amzn-RequestId"]


def test_an_answer_need_not_have_anything(stack):
    response = answered(stack, {})
    assert (response.status_code, response.content) == (200, b"")


def test_without_binary_types_base64_stays_as_it_is(stack):
    answer = {"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}
    assert answered(stack, answer).text == "aGk="


@pytest.mark.parametrize(
    "answer",
    [
        "text",
        None,
        [],
        {"statusCode": 200, "other": 1},
        {"statusCode": "many"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": {}}},
    ],
)
def test_what_is_no_answer_is_an_error(stack, answer):
    response = answered(stack, answer)
    assert response.status_code == 502
    assert response.json() == {"message": "Internal server error"}


def test_a_function_that_fails_is_an_error(stack):
    response = stack.request("PUT", "/open", '{"raise": "secret"}')
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/things"), ("GET", "")])
def test_an_unknown_path_or_method_is_told_as_a_missing_token(stack, method, path):
    response = stack.request(method, path)
    assert (response.status_code, response.json()) == (403, MISSING)


def test_an_unknown_stage_is_forbidden(stack):
    response = httpx.get(stack.cloud.api_url.replace("/v1", "/v2") + "/open")
    assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})


def test_too_large_a_body_is_refused_before_it_is_read(stack):
    url = httpx.URL(stack.cloud.api_url + "/open")
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST_BODY_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port)) as client:
        client.sendall(head.encode())
        assert b" 413 " in client.recv(1000).splitlines()[0]


# -- Who may call


def test_the_signature_says_who_calls(stack):
    reader = stack.session("ApproverRole", "ada@interlock.example")
    response = stack.request(
        "GET", "/things?b=2&a=1%2F2", headers=stack.signature(reader, "GET", "/things?b=2&a=1%2F2")
    )
    identity = response.json()["requestContext"]["identity"]
    role = stack.physical("ApproverRole")
    assert identity["userArn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/ada@interlock.example"
    )
    assert identity["caller"].endswith(":ada@interlock.example")
    assert (identity["user"], identity["accountId"]) == (identity["caller"], ACCOUNT)
    assert identity["accessKey"] == reader.access_key


def test_what_the_role_may_not_call_is_denied_and_recorded(stack):
    reader = stack.session("ApproverRole")
    signature = stack.signature(reader, "POST", "/things/1")
    response = stack.request("POST", "/things/1", headers=signature)
    resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{stack.physical('Api')}/v1/POST/things/1"
    assert response.status_code == 403
    assert "is not authorized to perform: execute-api:Invoke" in response.json()["Message"]
    decision = stack.cloud.decisions[-1]
    assert (decision.action, decision.resource) == ("execute-api:Invoke", resource)
    assert decision.role == stack.physical("ApproverRole")
    assert not decision.allowed


def test_a_session_of_a_role_may_do_no_more_elsewhere(stack):
    reader = stack.session("ApproverRole")
    client = stack.cloud._session.client(
        "sqs",
        region_name=REGION,
        endpoint_url=stack.cloud.url,
        aws_access_key_id=reader.access_key,
        aws_secret_access_key=reader.secret_key,
        aws_session_token=reader.token,
    )
    with pytest.raises(client.exceptions.ClientError, match=r"someone@interlock\.example is not"):
        client.send_message(QueueUrl=stack.physical("Inbox"), MessageBody="x")


def test_without_a_signature_nobody_calls(stack):
    response = stack.request("GET", "/things")
    assert (response.status_code, response.json()) == (403, MISSING)
    response = stack.request("GET", "/things", headers={"Authorization": "Bearer x"})
    assert (response.status_code, response.json()) == (403, MISSING)


def test_a_wrong_secret_or_token_is_refused(stack):
    reader = stack.session("ApproverRole")
    for wrong, message in (
        (Credentials(reader.access_key, "wrong", reader.token), "signature we calculated"),
        (Credentials(reader.access_key, reader.secret_key, "wrong"), "security token included"),
        (Credentials(reader.access_key, reader.secret_key), "security token included"),
    ):
        signature = stack.signature(wrong, "GET", "/things")
        response = stack.request("GET", "/things", headers=signature)
        assert response.status_code == 403
        assert message in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/things?more=1", b""),
        ("GET", "/things/", b""),
        ("POST", "/things", b""),
        ("GET", "/things", b"other"),
    ],
)
def test_a_signature_is_of_one_request(stack, method, path, content):
    reader = stack.session("ApproverRole")
    signature = stack.signature(reader, "GET", "/things")
    response = stack.request(method, path, content, signature)
    assert response.status_code == 403
    if method == "GET":
        assert "signature we calculated" in response.json()["message"]


def test_a_hash_in_a_header_does_not_stand_for_the_body(stack):
    reader = stack.session("ApproverRole")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    signature = stack.signature(reader, "GET", "/things", **{"X-Amz-Content-SHA256": empty})
    assert stack.request("GET", "/things", headers=signature).status_code == 200
    response = stack.request("GET", "/things", b"other", signature)
    assert "signature we calculated" in response.json()["message"]


def test_a_signature_is_good_for_minutes(stack, monkeypatch):
    reader = stack.session("ApproverRole")
    signature = stack.signature(reader, "GET", "/things")
    now = time.time()
    monkeypatch.setattr("local.cloud.sigv4.time.time", lambda: now + 290)
    assert stack.request("GET", "/things", headers=signature).status_code == 200
    monkeypatch.setattr("local.cloud.sigv4.time.time", lambda: now + 310)
    response = stack.request("GET", "/things", headers=signature)
    assert response.json()["message"].startswith("Signature expired")


def test_a_signature_for_another_service_is_refused(stack):
    reader = stack.session("ApproverRole")
    signature = stack.signature(reader, "GET", "/things")
    header = signature["Authorization"].replace("execute-api", "sqs")
    response = stack.request("GET", "/things", headers={**signature, "Authorization": header})
    assert "scoped to execute-api" in response.json()["message"]


def test_the_developers_key_is_the_accounts(stack):
    signature = stack.signature(Credentials("local", "local"), "POST", "/things/1")
    event = stack.request("POST", "/things/1", headers=signature).json()
    assert event["requestContext"]["identity"]["userArn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert event["pathParameters"] == {"id": "1"}


# -- Time


def test_time_does_not_jump_while_a_request_is_under_way(stack):
    waiting = stack.start("wait")
    stack.until(lambda: stack.execution(waiting)["status"] == "RUNNING", jump=False)
    call = threading.Thread(target=lambda: stack.request("PUT", "/open", '{"sleep": 0.5}'))
    call.start()
    stack.until(lambda: works(stack), jump=False)
    before = stack.cloud.clock.offset
    stack.until(lambda: not works(stack))
    assert stack.cloud.clock.offset == before
    call.join()
    stack.finish(waiting)


def test_a_request_ends_in_time_although_its_function_does_not(stack):
    responses = []
    call = threading.Thread(
        target=lambda: responses.append(stack.request("PUT", "/open", '{"sleep": 0.8}'))
    )
    call.start()
    stack.until(lambda: works(stack), jump=False)
    stack.cloud.clock.advance(INTEGRATION_SECONDS)
    call.join()
    assert responses[0].status_code == 504
    assert responses[0].json() == {"message": "Endpoint request timed out"}
    stack.until(lambda: not works(stack), jump=False)


# -- What is not played


@pytest.mark.parametrize(
    "change",
    [
        {"x-amazon-apigateway-integration": {"type": "mock"}},
        {"security": [{"cognito": []}]},
        {
            "x-amazon-apigateway-integration": {
                "type": "aws_proxy",
                "uri": "x/functions/f/invocations",
                "credentials": "arn:aws:iam::*:user/*",
            }
        },
    ],
)
def test_a_method_of_another_kind_is_not_guessed(change):
    good = {
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "uri": "x/functions/f/invocations",
        }
    }
    assert replace(Route.of("GET", "/a", good), pattern=None) == Route(
        "GET", "/a", "f", False, None
    )
    with pytest.raises(NotImplementedError):
        Route.of("GET", "/a", good | change)
    with pytest.raises(NotImplementedError):
        routes({"paths": {}, "x-amazon-apigateway-binary-media-types": ["image/png"]})
