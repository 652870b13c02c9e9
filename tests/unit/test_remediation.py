"""Exceptions of the business: raised, decided, closed, on moto's DynamoDB."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock import aws
from interlock.canonical import Remediation
from interlock.errors import BusinessRuleViolation, RecordNotFound
from interlock.remediation import (
    BusinessException,
    Decision,
    Exceptions,
    RaiseException,
    Resolution,
    exception_id,
    merge_patch,
    news,
)
from pydantic import ValidationError

from tests.unit.conftest import Clock, Cloud

FIRST, SECOND = "task-1", "task-2"
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def failed(step: str = "CreateErpOrder", **values: Any) -> BusinessException:
    """A step that failed, as the routing gave it to a team."""
    command = RaiseException(
        token=FIRST,
        correlation_id="T1",
        execution="arn:execution:T1",
        workflow="lead-to-order",
        step=step,
        error={
            "Error": "VendorRejected",
            "Cause": '{"errorMessage": "tryton create_order: no", "errorType": "VendorRejected"}',
        },
        records={"order": {"id": "salesforce:006", "lines": [{"sku": "SEAT"}]}},
        escalations=0,
    )
    routed = {
        "team": "RevOps",
        "actions": ("retry", "link", "compensate"),
        "raised_at": NOW,
        "due_at": NOW + timedelta(hours=8),
    }
    return command.exception(**routed).model_copy(update=values)


def decided(action: str = "retry", at: datetime = NOW, **values: Any) -> Resolution:
    """A team's decision."""
    given = {"action": action, "by": "ana", "reason": "fixed in the ERP"}
    return Resolution(decision=Decision(**(given | values)), at=at)


@pytest.fixture
def store(cloud: Cloud, clock: Clock) -> Exceptions:
    """No exceptions yet."""
    return Exceptions(cloud.table("ExceptionsTable"), clock, aws.dynamodb())


# ---- Raising


def test_an_exception_keeps_what_a_team_needs(store: Exceptions) -> None:
    raised = store.raise_(failed(), FIRST)

    assert store.get(raised.id) == raised
    assert raised.id == exception_id("arn:execution:T1", "CreateErpOrder")
    assert raised.message == "tryton create_order: no"
    assert (raised.status, raised.occurrences) == ("open", 1)


def test_the_same_step_of_the_same_run_is_the_same_exception(store: Exceptions) -> None:
    store.raise_(failed(), FIRST)
    later = NOW + timedelta(days=1)

    again = store.raise_(failed(raised_at=later, due_at=later, escalations=1), SECOND)

    assert again.raised_at == NOW
    assert (again.occurrences, again.escalations) == (1, 1)
    assert len(store.by_status("open", 10)) == 1


def test_a_step_that_fails_again_after_a_decision_keeps_its_history(store: Exceptions) -> None:
    exception = store.raise_(failed(), FIRST)
    store.close(*store.decide(exception.id, decided()))

    again = store.raise_(failed(), SECOND)

    assert (again.status, again.occurrences) == ("open", 2)
    assert again.resolutions == (decided(),)


def test_another_step_or_run_is_another_exception() -> None:
    ids = {exception_id(run, step) for run in ("T1", "T2") for step in ("A", "B")}

    assert len(ids) == 4


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ('{"errorMessage": "no", "errorType": "VendorRejected"}', "no"),
        ('{"errorMessage": null}', "None"),
        ("Task timed out after 30.00 seconds", "Task timed out after 30.00 seconds"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_any_cause_has_a_message(cause: str, message: str) -> None:
    command = RaiseException.model_validate(
        {
            "token": "t",
            "correlation_id": "T1",
            "execution": "e",
            "workflow": "w",
            "step": "s",
            "error": {"Error": "Sandbox.Timedout", "Cause": cause},
            "records": {},
            "escalations": 0,
        }
    )

    exception = command.exception(team="Platform", actions=("retry",), raised_at=NOW, due_at=NOW)

    assert exception.message == message


# ---- Listing


def test_the_first_due_comes_first(store: Exceptions) -> None:
    for hours in (8, 4, 24):
        store.raise_(failed(f"Step{hours}", due_at=NOW + timedelta(hours=hours)), "token")

    assert [e.step for e in store.by_status("open", 10)] == ["Step4", "Step8", "Step24"]
    assert [e.step for e in store.by_status("open", 1)] == ["Step4"]
    assert store.by_status("resolved", 10) == ()


def test_a_team_sees_its_own_behind_any_number_of_others(store: Exceptions) -> None:
    for number in range(5):
        store.raise_(failed(f"Early{number}"), "token")
    late = failed("Late", team="Finance", due_at=NOW + timedelta(days=9))
    store.raise_(late, "token")

    assert [e.step for e in store.by_status("open", 3, "Finance")] == ["Late"]
    assert len(store.by_status("open", 3)) == 3


def test_more_than_dynamodb_answers_at_once(store: Exceptions) -> None:
    """Each carries its run's records; DynamoDB answers a megabyte at a time."""
    for number in range(12):
        store.raise_(failed(f"Step{number}", records={"text": "x" * 100_000}), "token")

    assert len(store.by_status("open", 100)) == 12


def test_an_exception_that_is_not_there(store: Exceptions) -> None:
    with pytest.raises(RecordNotFound):
        store.get("EX-0")
    with pytest.raises(RecordNotFound):
        store.decide("EX-0", decided())


# ---- Deciding


def test_a_decision_is_recorded_and_gives_the_token(store: Exceptions) -> None:
    exception = store.raise_(failed(), FIRST)

    resolving, token = store.decide(exception.id, decided())

    assert token == FIRST
    assert (resolving.status, resolving.resolutions) == ("resolving", (decided(),))
    assert store.close(resolving, token).status == "resolved"
    assert store.get(exception.id).status == "resolved"


def test_the_same_decision_again_is_harmless_until_it_is_heard(store: Exceptions) -> None:
    exception = store.raise_(failed(), FIRST)
    first = store.decide(exception.id, decided())

    assert store.decide(exception.id, decided(at=NOW + timedelta(minutes=1))) == first
    with pytest.raises(BusinessRuleViolation, match="already resolving: retry by ana"):
        store.decide(exception.id, decided("compensate"))


def test_what_is_resolved_cannot_be_decided_otherwise(store: Exceptions) -> None:
    exception = store.raise_(failed(), FIRST)
    resolved = store.close(*store.decide(exception.id, decided()))

    with pytest.raises(BusinessRuleViolation, match="already resolved: retry by ana"):
        store.decide(exception.id, decided("compensate"))
    assert store.decide(exception.id, decided()) == (resolved, FIRST)


def test_an_action_that_the_step_does_not_allow(store: Exceptions) -> None:
    exception = store.raise_(failed(), FIRST)

    with pytest.raises(BusinessRuleViolation, match="only be resolved by: retry, link, compensate"):
        store.decide(exception.id, decided("skip"))
    assert store.get(exception.id).status == "open"


def test_a_decision_that_came_too_late_leaves_the_new_exception_open(store: Exceptions) -> None:
    """The run stopped waiting and raised it again, with a new token, before it could hear."""
    exception = store.raise_(failed(), FIRST)
    resolving, token = store.decide(exception.id, decided())
    store.raise_(failed(escalations=1), SECOND)

    closed = store.close(resolving, token)

    assert (closed.status, closed.escalations) == ("open", 1)
    assert store.decide(exception.id, decided("compensate"))[1] == SECOND


def test_of_many_decisions_at_once_one_counts(store: Exceptions) -> None:
    exception = store.raise_(failed(), FIRST)
    together = threading.Barrier(6)

    def decide(number: int) -> bool:
        together.wait()
        try:
            store.decide(exception.id, decided(by=f"person {number}"))
        except BusinessRuleViolation:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(decide, range(6))) == 1
    assert len(store.get(exception.id).resolutions) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "link"},
        {"action": "link", "remote_id": "42"},
        {"action": "retry", "record": "salesforce:006"},
        {"action": "retry", "remote_id": "42"},
        {"action": "skip", "edit": {}},
        {"action": "link", "remote_id": "42", "edit": {"a": 1}},
        {"action": "explode"},
        {"by": ""},
        {"reason": ""},
    ],
)
def test_what_is_no_decision(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decided(**wrong)


# ---- What the waiting run is told


def test_the_answer_is_a_remediation_of_the_step_and_the_records() -> None:
    resolution = decided("link", remote_id="42", record="salesforce:006")

    answer = json.loads(failed(resolutions=(resolution,)).answer())

    remediation = Remediation.model_validate(answer["remediation"])
    assert (remediation.step, remediation.remote_id) == ("CreateErpOrder", "42")
    assert answer["records"] == failed().records
    assert answer["edited"] is False


def test_the_answer_carries_edited_records_and_the_last_decision() -> None:
    edit = {"order": {"payment_terms": "NET30", "lines": None}}
    resolutions = (decided("compensate"), decided(edit=edit))

    answer = json.loads(failed(resolutions=resolutions).answer())

    assert answer["remediation"]["action"] == "retry"
    assert answer["records"] == {"order": {"id": "salesforce:006", "payment_terms": "NET30"}}
    assert answer["edited"] is True


def test_the_news_tells_no_records_and_no_edit() -> None:
    exception = failed(resolutions=(decided(edit={"order": {"iban": "DE00"}}),))

    event = news(exception, "exception.resolved", NOW)

    assert event.data["decision"]["by"] == "ana"
    assert "SEAT" not in event.model_dump_json()
    assert "DE00" not in event.model_dump_json()
    assert event.id == news(exception, "exception.resolved", NOW).id


# ---- RFC 7396


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396_appendix_a(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_a_patch_without_nulls_is_contained_and_changes_nothing_twice(
    target: Any, patch: Any
) -> None:
    before = json.dumps(target)

    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once
    assert json.dumps(target) == before
