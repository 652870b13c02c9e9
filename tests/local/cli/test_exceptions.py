"""`interlock exceptions` and `interlock resolve`, on deals that need a team."""

from __future__ import annotations

import json

import pytest

from local.sandboxes.salesforce_seed import JPY_DEAL

from .conftest import Interlock


def raised(cli: Interlock, suffix: str) -> tuple[str, str]:
    """A run that waits at ValidateOrder, and its exception."""
    run = cli.win(JPY_DEAL, suffix=suffix, share_too_many=True)
    return run, cli.until_exception(run)


@pytest.fixture
def nothing_left(cli: Interlock):
    """Later tests of a file see no exception of an earlier one."""
    yield
    for each in cli.json("exceptions", "--json"):
        cli.output("resolve", each["id"], "compensate", "--reason", "test ended")
        cli.until_status(each["correlation_id"], "SUCCEEDED")


@pytest.mark.usefixtures("nothing_left")
def test_an_exception_is_listed_shown_edited_and_resolved(cli: Interlock):
    run, id = raised(cli, "Edited")

    assert id in cli.output("exceptions")
    assert id in cli.output("exceptions", "--team", "RevOps")
    assert cli.output("exceptions", "--team", "Finance") == "No exception is open for Finance.\n"
    shown = cli.output("exceptions", id)
    assert "the revenue splits add up to 10 %, not 100 %" in " ".join(shown.split())
    assert f"interlock resolve {id} retry|compensate" in shown

    of_run = cli.output("runs", run)
    assert "WAITING" in of_run
    assert f"interlock resolve {id} retry|compensate" in of_run
    assert cli.json("runs", run, "--json")["exception"]["id"] == id

    refused = cli.error("resolve", id, "skip", "--reason", "no")
    assert "can only be resolved by: retry, compensate" in refused
    unknown = cli.error("resolve", id, "retry", "--reason", "r", "--set", "opportunity.split=[]")
    assert "there is no 'split' here" in unknown

    resolved = cli.output(
        "resolve", id, "retry", "--by", "mara", "--reason", "nobody else sold it",
        "--set", "opportunity.splits=[]",
        "--set", "opportunity.lines.0.description=Platform, first year",
    )  # fmt: skip
    assert resolved == f"{id}: retry ValidateOrder, resolved\n"
    cli.until_status(run, "SUCCEEDED")
    order = cli.order_of(run)
    assert order.lines[0].description == "Platform, first year"
    assert "already resolved: retry by mara" in cli.error("resolve", id, "retry", "--reason", "r")
    decided = cli.json("exceptions", id, "--json")
    assert decided["resolutions"][0]["decision"]["by"] == "mara"
    resolved = cli.json("exceptions", "--status", "resolved", "--json")
    assert id in [each["id"] for each in resolved]


@pytest.mark.usefixtures("nothing_left")
def test_an_edit_from_a_file_and_a_compensation(cli: Interlock, tmp_path, monkeypatch):
    run, id = raised(cli, "Patched")
    patch = tmp_path / "patch.json"
    patch.write_text(json.dumps({"opportunity": {"name": "Named anew"}}))

    cli.output("resolve", id, "retry", "--reason", "a guess", "--edit", patch)
    assert cli.until_exception(run) == id
    again = cli.json("exceptions", id, "--json")
    assert again["records"]["opportunity"]["name"] == "Named anew"
    assert again["occurrences"] == 2

    monkeypatch.setenv("LOGNAME", "operator")
    cli.output("resolve", id, "compensate", "--reason", "the deal is off")
    cli.until_status(run, "SUCCEEDED")
    states = {each["state"]: each for each in cli.json("runs", run, "--json")["states"]}
    assert states["ValidateOrder"]["status"] == "FAILED"
    assert states["ValidateOrder"]["attempts"] == 2
    assert states["ValidateOrder"]["error"] == "BusinessRuleViolation"
    assert "OrderCancelled" in states
    [*_, last] = cli.json("exceptions", id, "--json")["resolutions"]
    assert last["decision"]["by"] == "operator"
    cli.until(lambda: "order.cancelled" in cli.output("runs", run))
    assert "operator" in cli.output("runs", run)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["link", "--to", "42"], "link needs --to and --record"),
        (["retry", "--to", "42"], "link needs --to and --record"),
        (["skip", "--record", "a:b"], "link needs --to and --record"),
        (["skip", "--set", "a=1"], "--edit and --set go with retry"),
    ],
)
def test_a_wrong_use_is_told_before_anything_is_done(cli: Interlock, arguments, told):
    assert told in cli.error("resolve", "EX-1", *arguments, "--reason", "r", code=2)


def test_exceptions_that_are_not_there(cli: Interlock):
    assert "no such exception" in cli.error("exceptions", "EX-1")
    assert "no such exception" in cli.error("resolve", "EX-1", "retry", "--reason", "r")
