"""The functions of services: what a customer is entitled to, and people who change that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from interlock import events
from interlock.audit import Audit
from interlock.canonical.contracts import ContractStatus
from interlock.contracts import Contracts
from interlock.events import Event
from interlock.suspensions import Instruction, Interruption, Suspensions

from local.samples.aws import request
from local.samples.credit_stores import ACCOUNT
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.approving import Answered
from tests.unit.functions.calling import module
from tests.unit.functions.discounts import contract, line

ANA = "ana@interlock.example"
TODAY = datetime.now(UTC).date()
YEAR = timedelta(days=365)
LINE = line().model_copy(update={"starts_on": TODAY - YEAR, "ends_on": TODAY + YEAR})


@pytest.fixture(autouse=True)
def tables(cloud: Cloud, environment: Any) -> None:
    """Empty stores."""
    forget()
    names = {
        "CONTRACTS_TABLE": "ContractsTable",
        "SUSPENSIONS_TABLE": "SuspensionsTable",
        "AUDIT_TABLE": "AuditTable",
    }
    environment(
        **{variable: cloud.table(name) for variable, name in names.items()},
        OPERATOR_ROLE="interlock-operator",
        INTEGRATION_BUS="bus",
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What was published."""
    told: list[Event] = []
    monkeypatch.setattr(events, "publish", lambda *published: told.extend(published))
    return told


def sign(number: int = 1, **values: Any) -> None:
    """A contract of the account, in force for another year."""
    given = {
        "id": f"salesforce:006{number}",
        "starts_on": TODAY - YEAR,
        "ends_on": TODAY + YEAR,
        "lines": (LINE,),
    }
    Contracts.load().record(contract(**(given | values)), "T1")


def suspend() -> None:
    """Somebody has suspended it."""
    instruction = Instruction(
        account_id=ACCOUNT,
        action="suspend",
        by=ANA,
        reason="not paid",
        caller_arn="arn",
        at=datetime.now(UTC),
    )
    assert Suspensions.load().write(Interruption(suspended=instruction), over=None)


class TestAssess:
    @pytest.fixture
    def assess(self, context: Any) -> Callable[[], dict[str, Any]]:
        command = {"correlation_id": "T1", "account_id": ACCOUNT}
        return lambda: module("workflow/assess_service").handler(command, context)

    def test_all_contracts_of_the_account_count(self, assess: Any) -> None:
        sign(1)
        sign(2)
        sign(3, account_id="salesforce:001Other")

        assert assess() == {
            "account_id": ACCOUNT,
            "state": "active",
            "entitlements": [{"sku": "SEAT-ANNUAL", "quantity": "20"}],
            "until": None,
            "reason": None,
        }

    def test_a_suspension_says_why(self, assess: Any) -> None:
        sign()
        suspend()

        assessed = assess()

        assert (assessed["state"], assessed["reason"]) == ("suspended", "not paid")

    def test_an_account_without_contracts_is_not_served(self, assess: Any) -> None:
        assert (assess()["state"], assess()["entitlements"]) == ("ended", [])

    def test_a_list_that_lags_behind_is_not_believed(
        self, assess: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An index of the table may say what was; each contract is read as it is."""
        sign()
        listed = Contracts.load().of_account(ACCOUNT)
        monkeypatch.setattr(Contracts, "of_account", lambda self, account: listed)
        ended = {"status": ContractStatus.ENDED, "revision": 2}
        Contracts.load().change(listed[0].model_copy(update=ended), "T2")

        assert assess()["state"] == "ended"


class TestChange:
    @pytest.fixture
    def call(self, context: Any) -> Callable[..., Answered]:
        def call(
            action: str = "suspend",
            *,
            id: str = ACCOUNT,
            person: str | None = ANA,
            role: str = "interlock-operator",
            **body: Any,
        ) -> Answered:
            event = request(
                "POST",
                "/accounts/{id}/service",
                parameters={"id": id},
                body={"action": action, "reason": "not paid"} | body,
                person=person,
                role=role,
            )
            answer = module("api/change_service").handler(event, context)
            return Answered(answer["statusCode"], answer["headers"], answer["body"])

        return call

    def test_a_person_suspends_and_resumes(self, call: Any, told: list[Event]) -> None:
        answers = [call(), call("resume", person="BEN@interlock.example", reason="paid")]

        assert [answer.status for answer in answers] == [200, 200]
        assert [answer.json["transaction"] for answer in answers] == [
            event.correlation_id for event in {event.id: event for event in told}.values()
        ]
        assert answers[0].json["account_id"] == ACCOUNT
        rows = [row for chain in Audit.load().of_subject(ACCOUNT) for row in chain.rows]
        assert [(row.actor, row.action) for row in rows] == [
            (ANA, "suspended"),
            ("ben@interlock.example", "resumed"),
        ]
        assert f"assumed-role/interlock-operator/{ANA}" in rows[0].facts

    def test_the_same_again_is_the_same_transaction(self, call: Any, told: list[Event]) -> None:
        assert call() == call()
        assert len({event.id for event in told}) == 1

    def test_an_id_that_comes_encoded(self, call: Any, told: list[Event]) -> None:
        assert call(id=ACCOUNT.replace(":", "%3A")).json["account_id"] == ACCOUNT

    @pytest.mark.parametrize(
        ("person", "role"), [(ANA, "interlock-approver"), ("ana", "interlock-operator")]
    )
    def test_another_role_or_no_person_is_refused(
        self, call: Any, told: list[Event], person: str, role: str
    ) -> None:
        refused = call(person=person, role=role)

        assert (refused.status, "assume the role interlock-operator" in refused.message) == (
            403,
            True,
        )
        assert (told, Suspensions.load().last(ACCOUNT)) == ([], None)

    @pytest.mark.parametrize(
        ("values", "status", "says"),
        [
            ({"action": "end"}, 400, "action: "),
            ({"reason": ""}, 400, "reason: "),
            ({"by": "somebody"}, 400, "by: "),
            ({"id": "Larkspur Analytics"}, 404, "give the canonical one"),
            ({"id": "x" * 2000}, 404, "give the canonical one"),
            ({"action": "resume"}, 409, "nothing to resume"),
        ],
    )
    def test_what_cannot_be_done_is_told(
        self, call: Any, told: list[Event], values: dict[str, Any], status: int, says: str
    ) -> None:
        refused = call(**values)

        assert (refused.status, says in refused.message) == (status, True)
        assert told == []
