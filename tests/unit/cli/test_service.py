"""`interlock service`, with the API's own function behind it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from interlock import aws, events
from interlock.canonical.contracts import ContractStatus
from interlock.contracts import Contracts
from interlock.events import Event

from local.cli.api import OPERATOR_ROLE
from local.cli.errors import Failure
from local.samples.aws import request
from local.samples.credit_stores import ACCOUNT
from tests.unit.cli.conftest import Stack
from tests.unit.functions.calling import module
from tests.unit.functions.discounts import CONTRACT, contract, line

ANA = "ana@interlock.example"
TODAY = datetime.now(UTC).date()
CRM = {"name": "salesforce", "vendor": "salesforce", "base_url": "https://s", "secret_id": "s"}
WHY = ("--reason", "not paid", "--as", ANA)


@pytest.fixture
def told(
    stack: Stack, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any
) -> list[Event]:
    """What the function behind the API has published."""
    parameter = {"Name": "CrmConnection", "Type": "String", "Value": json.dumps(CRM)}
    aws.client("ssm").put_parameter(**parameter)
    stack.cloud.table("ContractsTable")
    environment(
        SUSPENSIONS_TABLE=stack.cloud.table("SuspensionsTable"),
        AUDIT_TABLE=stack.cloud.table("AuditTable"),
        OPERATOR_ROLE="interlock-operator",
    )
    told: list[Event] = []
    monkeypatch.setattr(events, "publish", lambda *published: told.extend(published))

    class Api:
        """As `local.cli.api.Api`, without signatures."""

        def __init__(self, _: Any, person: str | None, role: str) -> None:
            assert role == OPERATOR_ROLE
            self._person = person

        def post(self, path: str, body: Any) -> Any:
            _, _, id, _ = path.split("/")
            resource = "/accounts/{id}/service"
            who = {"person": self._person, "role": "interlock-operator"}
            event = request("POST", resource, parameters={"id": id}, body=body, **who)
            answer = module("api/change_service").handler(event, context)
            if answer["statusCode"] != 200:
                raise Failure(json.loads(answer["body"])["message"])
            return json.loads(answer["body"])

    monkeypatch.setattr("local.cli.service.Api", Api)
    return told


def sign(**values: Any) -> None:
    """A contract of the account that is in force."""
    lasting = {"starts_on": TODAY, "ends_on": TODAY.replace(year=TODAY.year + 1)}
    lines = (line().model_copy(update=lasting),)
    store = Contracts("ContractsTable", aws.dynamodb())
    store.record(contract(**({"lines": lines} | lasting | values)), "T1")


@pytest.mark.usefixtures("told")
def test_what_a_customer_is_entitled_to_and_why(stack: Stack) -> None:
    sign(status=ContractStatus.ENDING, ends_on=TODAY.replace(year=TODAY.year + 1))

    shown = stack.output("service", ACCOUNT)

    assert shown.startswith(f"{ACCOUNT} active SEAT-ANNUAL 10 Until ")
    assert f"{CONTRACT} ending {TODAY}" in shown
    assert stack.output("service", ACCOUNT.partition(":")[2]) == shown
    printed = json.loads(stack.run("service", ACCOUNT, "--json").stdout)
    assert (printed["service"]["state"], printed["suspension"]) == ("active", None)
    assert printed["contracts"][0]["id"] == CONTRACT


@pytest.mark.usefixtures("told")
def test_an_account_without_contracts(stack: Stack) -> None:
    shown = stack.output("service", ACCOUNT)

    assert shown == f"{ACCOUNT} ended No contract of this account was ever recorded."


def test_people_suspend_and_resume_it(stack: Stack, told: list[Event]) -> None:
    sign()

    said = stack.run("service", ACCOUNT, "suspend", *WHY)

    assert " ".join(said.stdout.split()) == f"{ACCOUNT} suspended"
    assert f"Who is told: interlock runs {told[0].correlation_id}" in said.stderr
    shown = stack.output("service", ACCOUNT)
    assert f"{ACCOUNT} suspended" in shown
    assert f"Suspended by {ANA}, " in shown
    assert " UTC: not paid" in shown
    assert stack.output("service", ACCOUNT, "resume", *WHY) == f"{ACCOUNT} resumed"
    assert f"Resumed by {ANA}, " in stack.output("service", ACCOUNT)


def test_its_audit_tells_who_and_why(stack: Stack, told: list[Event]) -> None:
    stack.cloud.table("TimelineTable")
    stack.run("service", ACCOUNT, "suspend", *WHY)

    said = stack.output("audit", ACCOUNT)

    assert f"Transaction {told[0].correlation_id}" in said
    assert f"{ANA}" in said
    assert f"Suspended the service of {ACCOUNT}: not paid" in said


def test_a_refusal_is_told_in_its_own_words(stack: Stack, told: list[Event]) -> None:
    refused = stack.run("service", ACCOUNT, "resume", *WHY)

    assert (refused.exit_code, "nothing to resume" in refused.stderr) == (1, True)
    assert told == []


def test_a_change_needs_a_reason(stack: Stack, told: list[Event]) -> None:
    refused = stack.run("service", ACCOUNT, "suspend")

    assert (refused.exit_code, "say with --reason" in refused.stderr) == (2, True)
    assert told == []
