"""What every handler shares: parsing, correlation, logs, metrics and a skip."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.canonical import Canonical, Command, Compensation, Money
from interlock.errors import BusinessRuleViolation, ContractViolation, VendorThrottled
from interlock.handler import MOST_BYTES, event_handler, operation, parse
from interlock.telemetry import logger, metrics

PRIVATE = "rk_live_51Hq9"


class Pay(Command):
    """An amount, and a note that nobody else may read."""

    amount: Money
    note: str = ""


class Paid(Canonical):
    """What was paid."""

    amount: Money
    share: Decimal = Decimal("0.50")


@operation
def pay(command: Pay) -> Paid:
    """Pays, unless the note says otherwise."""
    if command.note.startswith("throttle"):
        raise VendorThrottled("not now", vendor="bank", operation="pay", retry_after=1.2)
    if command.note.startswith("fail"):
        raise ZeroDivisionError
    return Paid(amount=command.amount)


def message(**values: Any) -> dict[str, Any]:
    """A command as Step Functions sends it."""
    return {
        "correlation_id": "T1",
        "remediation": None,
        "amount": {"amount": "12.5", "currency": "EUR"},
    } | values


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], list]:
    """The lines that were logged since it was last asked, then those of metrics."""
    logged = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", logged)
    metrics.clear_metrics()

    def lines() -> list[dict[str, Any]]:
        text = logged.getvalue() + capsys.readouterr().out
        logged.seek(0)
        logged.truncate()
        return [json.loads(line) for line in text.splitlines()]

    return lines


def test_a_command_becomes_a_record_in_json(context: Any) -> None:
    answer = pay(message(), context)

    assert answer == {"amount": {"amount": "12.50", "currency": "EUR"}, "share": "0.50"}
    assert json.loads(json.dumps(answer)) == answer


def test_a_dry_run_is_told_apart_in_the_log(context: Any, log: Callable[[], list]) -> None:
    pay(message(dry_run="T1-dry-run-1"), context)
    pay(message(), context)

    assert [line.get("dry_run") for line in log()] == ["T1-dry-run-1", None]


def test_the_handler_keeps_the_functions_name_and_text() -> None:
    assert pay.__name__ == "pay"
    assert pay.__doc__.startswith("Pays")


def test_every_line_of_an_invocation_carries_its_correlation_id(context: Any, log: Any) -> None:
    pay(message(), context)
    pay(message(correlation_id="T2"), context)

    lines = [line for line in log() if "level" in line]

    assert [line["correlation_id"] for line in lines] == ["T1", "T2"]
    assert {line["function_name"] for line in lines} == {"under-test"}


def test_a_correlation_id_is_not_kept_for_the_next(context: Any, log: Any) -> None:
    pay(message(), context)
    log()

    with pytest.raises(ContractViolation):
        pay({}, context)

    assert "T1" not in json.dumps(log())


def test_a_failure_is_logged_counted_and_raised_by_its_name(context: Any, log: Any) -> None:
    with pytest.raises(VendorThrottled, match="try again after 2 s"):
        pay(message(note="throttle"), context)

    failed, counted = log()

    assert failed["level"] == "ERROR"
    assert failed["error"] == "VendorThrottled"
    assert failed["correlation_id"] == "T1"
    assert counted["VendorThrottled"] == [1.0]
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Interlock"


def test_what_was_counted_is_told_once(context: Any, log: Any) -> None:
    with pytest.raises(VendorThrottled):
        pay(message(note="throttle"), context)
    log()

    pay(message(), context)

    assert not [line for line in log() if "_aws" in line]


def test_an_answer_that_no_run_can_keep_is_for_people(context: Any) -> None:
    @operation
    def list_all(command: Pay) -> list[str]:
        return ["x" * 1000] * (MOST_BYTES // 1000)

    with pytest.raises(BusinessRuleViolation, match="enter it in the ERP by hand"):
        list_all(message(), context)


@pytest.mark.parametrize(
    "values",
    [
        {"note": f"fine {PRIVATE}"},
        {"note": f"throttle {PRIVATE}"},
        {"note": f"fail {PRIVATE}"},
        {"token": PRIVATE},
    ],
)
def test_no_payload_and_no_secret_is_logged(context: Any, log: Any, values: Any) -> None:
    with suppress(ContractViolation, VendorThrottled, ZeroDivisionError):
        pay(message(**values), context)

    text = json.dumps(log())

    assert PRIVATE not in text
    assert "12.5" not in text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"amount": {"amount": f"12.{'5' * 9}", "currency": "EUR"}}, "amount: "),
        ({"amount": {"amount": "1", "currency": PRIVATE}}, "amount.currency: "),
        ({"correlation_id": f"{PRIVATE} {PRIVATE}"}, "correlation_id: "),
        ({"remediation": {"action": PRIVATE}}, "remediation.action: "),
        ({"note": {"a": PRIVATE}}, "note: "),
        ({"surprise": PRIVATE}, "surprise: "),
    ],
)
def test_malformed_input_names_the_field_and_not_the_value(
    context: Any, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(ContractViolation) as violation:
        pay(message(**wrong), context)

    assert named in str(violation.value)
    assert PRIVATE not in str(violation.value)
    assert "555555555" not in str(violation.value)


@pytest.mark.parametrize("event", [None, [], "text", 3, {}])
def test_what_is_no_command_at_all(context: Any, event: Any) -> None:
    with pytest.raises(ContractViolation, match="malformed Pay"):
        pay(event, context)


def test_a_step_that_a_team_skips_is_not_run(context: Any, log: Any) -> None:
    decision = {"step": "Pay", "action": "skip", "by": "ana", "reason": "paid by hand"}

    answer = pay(message(note="throttle", remediation=decision), context)

    assert answer == {"skipped": {"by": "ana", "reason": "paid by hand"}}
    assert [line["message"] for line in log()] == ["step skipped", "done"]


def test_a_compensation_that_a_team_skips_is_told(context: Any, log: Any) -> None:
    """Its ledger has to know."""

    @operation
    def take_back(command: Compensation) -> str:
        """Say whether it was skipped."""
        return f"skipped: {command.skipped}"

    decision = {"step": "TakeBack", "action": "skip", "by": "ana", "reason": "credited by hand"}

    assert take_back({"correlation_id": "T1", "remediation": decision}, context) == "skipped: True"
    assert [line["message"] for line in log()] == ["step skipped", "done"]


@pytest.mark.parametrize("action", ["retry", "compensate", "link"])
def test_any_other_decision_runs_the_step(context: Any, action: str) -> None:
    decision = {"step": "Pay", "action": action, "by": "ana", "reason": "seen"}

    assert "amount" in pay(message(remediation=decision), context)


def test_an_operation_that_answers_nothing(context: Any) -> None:
    @operation
    def nothing(command: Command) -> None:
        """Nothing to do."""

    assert nothing({"correlation_id": "T1"}, context) is None


def test_a_queues_handler_is_given_the_batch(context: Any) -> None:
    @event_handler
    def consume(event: dict[str, Any], context: Any) -> int:
        """How many there are."""
        return len(event["Records"])

    assert consume({"Records": [1, 2]}, context) == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_is_parsed_or_a_contract_violation(content: Any) -> None:
    with suppress(ContractViolation):
        assert isinstance(parse(Pay, content), Pay)
