"""`interlock invoke`: a function as a real process, by its folder or its logical id."""

from __future__ import annotations

import json

import pytest

from .conftest import EVENTS, Interlock

EVENT = EVENTS / "exceptions" / "list_exceptions.json"


@pytest.mark.parametrize(
    "function",
    [
        "exceptions/list_exceptions",
        "functions/exceptions/list_exceptions/",
        "ListExceptionsFunction",
    ],
)
def test_the_result_is_printed_and_the_log_apart(cli: Interlock, function):
    result = cli.run("invoke", function, "-e", EVENT)
    assert result.exit_code == 0, result.output
    assert "exceptions" in json.loads(result.stdout)
    assert "ListExceptionsFunction" in result.stderr
    assert "done" in result.stderr


def test_the_event_may_come_from_standard_input(cli: Interlock):
    event = json.dumps({"status": "resolved", "limit": 1})
    assert len(cli.json("invoke", "exceptions/list_exceptions", "-e", "-", input=event)) == 1


def test_a_function_that_fails_is_exit_code_one(cli: Interlock):
    error = cli.error("invoke", "exceptions/list_exceptions", "-e", "-", input='{"limit": 0}')
    assert error.startswith("Error: ContractViolation: malformed ListExceptions: limit")


def test_a_function_that_is_not_there(cli: Interlock):
    error = cli.error("invoke", "exceptions/list_exception", "-e", EVENT)
    assert "did you mean exceptions/list_exceptions" in error
    assert "see the folders of functions/" in cli.error("invoke", "zzz", "-e", EVENT)


def test_an_event_that_is_not_json(cli: Interlock):
    assert "not JSON" in cli.error("invoke", "crm/get_opportunity", "-e", "-", input="{")
