"""The command line's client of the API, on the small stack."""

import pytest

from local.cli.api import OPERATOR_ROLE, Api
from local.cli.errors import Failure
from local.cli.target import Target
from local.cloud.names import ACCOUNT, REGION


@pytest.fixture
def target(stack) -> Target:
    return Target.local("interlock-local", REGION, stack.cloud.url)


def who(event) -> str:
    return event["requestContext"]["identity"]["userArn"]


def test_the_address_is_the_local_clouds(stack, target):
    assert Api(target).url == stack.cloud.api_url


def test_a_deployed_api_is_where_aws_has_it(monkeypatch):
    target = Target.of_aws("interlock")
    monkeypatch.setattr(Target, "id", lambda self, logical_id: {"Api": "abc"}[logical_id])
    monkeypatch.setattr(type(target.session), "region_name", REGION)
    assert Api(target).url == f"https://abc.execute-api.{REGION}.amazonaws.com/v1"


def test_a_call_is_signed_by_the_targets_own_caller(target):
    event = Api(target).post("/things/a b:c@d", {"why": "grüße"})
    assert who(event) == f"arn:aws:iam::{ACCOUNT}:root"
    assert event["pathParameters"] == {"id": "a b:c@d"}
    assert event["body"] == '{"why": "gr\\u00fc\\u00dfe"}'


def test_a_person_calls_under_the_own_address(stack, target):
    api = Api(target, "support-lead@interlock.example")
    event = api.get("/things", {"status": "waiting (now)", "after": "a/b+c=&ü:@"})
    role = stack.physical("ApproverRole")
    assert who(event) == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/support-lead@interlock.example"
    )
    assert event["queryStringParameters"] == {"status": "waiting (now)", "after": "a/b+c=&ü:@"}


def test_a_person_calls_by_the_role_for_it(stack, target):
    ada = "ada@interlock.example"
    event = Api(target, ada, OPERATOR_ROLE).post("/things/1", {})
    assert who(event).endswith(f"assumed-role/{stack.physical('OperatorRole')}/{ada}")
    with pytest.raises(Failure, match=r"POST /things/1: User: arn:.* \(status 403\)"):
        Api(target, ada).post("/things/1", {})
    with pytest.raises(Failure, match=r"GET /things: User: arn:.* \(status 403\)"):
        Api(target, ada, OPERATOR_ROLE).get("/things")


def test_a_refusal_is_told_in_the_apis_words(target):
    with pytest.raises(Failure, match=r"POST /things/1: User: arn:.* \(status 403\)"):
        Api(target, "someone@interlock.example").post("/things/1", {})
    with pytest.raises(Failure, match=r"GET /nothing: Missing Authentication Token"):
        Api(target).get("/nothing")


@pytest.mark.parametrize("person", ["a", "two words", "x" * 65, "grün@interlock.example"])
def test_what_cannot_name_a_session_is_told(target, person):
    with pytest.raises(Failure, match="cannot name a session"):
        Api(target, person).get("/things")


def test_an_api_that_is_not_there_is_told(target, monkeypatch):
    api = Api(target)
    monkeypatch.setitem(vars(api), "url", "http://127.0.0.1:9/v1")
    with pytest.raises(Failure, match=r"GET /things: .* is the API at http://127.0.0.1:9/v1 there"):
        api.get("/things")
