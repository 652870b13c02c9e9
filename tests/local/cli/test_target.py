"""Which stack a command works on, and what is said when there is none."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore import exceptions as boto
from click.testing import CliRunner, Result

from local.cli.errors import advice
from local.cli.local_state import LocalState, running
from local.cli.main import interlock
from local.cli.target import Target

from .conftest import Interlock

Away = Callable[..., Result]


@pytest.fixture
def run(away_from_aws: Path) -> Away:
    return lambda *arguments: CliRunner(mix_stderr=False).invoke(interlock, arguments)


@pytest.fixture
def listening():
    """An address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def state(endpoint: str) -> LocalState:
    return LocalState(endpoint, "us-east-1", "interlock-local", 4242, {"AWS": endpoint})


def test_nothing_is_running(run: Away):
    result = run("runs")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no local cloud is running: start it with")
    assert len(result.stderr.splitlines()) == 1


def test_a_stale_file_is_told(run: Away, away_from_aws: Path, listening: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"http://127.0.0.1:{server.getsockname()[1]}"
    with state(gone).published():
        assert running() is None
        result = run("exceptions")
    assert result.exit_code == 1
    assert "(process 4242) has ended" in result.stderr


@pytest.mark.usefixtures("away_from_aws")
def test_the_running_local_cloud_is_found(listening: str, away_from_aws: Path):
    with state(listening).published():
        for named in (None, "interlock-local"):
            target = Target.find(named)
            assert (target.stack, target.endpoint) == ("interlock-local", listening)
            assert target.session.get_credentials().access_key == "local"
        assert Target.find("interlock-staging").endpoint is None
    assert not away_from_aws.exists()


def test_the_file_of_another_local_cloud_is_left(listening: str, away_from_aws: Path):
    with state(listening).published():
        away_from_aws.write_text(json.dumps({"another": "cloud"}))
    assert away_from_aws.exists()


@pytest.mark.parametrize("region", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_ordinary_environment_comes_first(
    listening: str, away_from_aws: Path, monkeypatch: pytest.MonkeyPatch, region: str
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv(region, "eu-central-1")
    with state(listening).published():
        target = Target.find(None)
    assert (target.stack, target.endpoint) == ("interlock", None)
    assert target.session.region_name == "eu-central-1"


def test_a_stack_that_is_not_there(cli: Interlock):
    error = cli.error("--stack", "nowhere", "runs")
    assert f"there is no stack 'nowhere' at {cli.environment.cloud.url}" in error


def test_no_region_no_credentials_no_profile(run: Away, monkeypatch: pytest.MonkeyPatch):
    assert "no AWS region was found" in run("--stack", "x", "runs").stderr
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert "no AWS credentials were found" in run("--stack", "x", "runs").stderr
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "`aws configure list-profiles`" in run("runs").stderr


def test_an_endpoint_that_does_not_answer(run: Away, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    result = run("runs")
    assert result.exit_code == 1
    assert "is it running?" in result.stderr


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredTokenException", "have expired: log in again"),
        ("UnrecognizedClientException", "does not know these credentials"),
        ("AccessDeniedException", "AWS denies Invoke"),
        ("ThrottlingException", "AWS refuses Invoke: ThrottlingException: Rate\texceeded"),
    ],
)
def test_a_refusal_of_aws_is_one_line(code: str, told: str):
    error = boto.ClientError({"Error": {"Code": code, "Message": "Rate\n exceeded"}}, "Invoke")
    assert told.replace("\t", " ") in advice(error)
    assert "\n" not in advice(error)


def test_a_login_that_is_over():
    assert "log in again" in advice(boto.UnauthorizedSSOTokenError())
    assert "log in again" in advice(boto.TokenRetrievalError(provider="sso", error_msg="expired"))


def test_up_refuses_a_second_cloud_and_a_port_in_use(run: Away, listening: str):
    with state(listening).published():
        result = run("up")
    assert result.exit_code == 1
    assert f"already running at {listening} (process 4242)" in result.stderr

    result = run("up", "--port", listening.rpartition(":")[2])
    assert result.exit_code == 1
    assert "cannot be used (Address already in use): choose another" in result.stderr


def test_help_lists_every_command(run: Away):
    told = run("--help").stdout
    commands = ["demo", "up", "send", "runs", "invoke", "exceptions", "resolve", "dead-letters"]
    for command in commands:
        assert f"\n  {command} " in told
        assert run(command, "--help").exit_code == 0
    assert run("nothing").exit_code == 2
