"""One local environment for the commands, which find it by AWS's own variables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from interlock.canonical import Order

from local.cli.main import interlock
from local.cli.systems import Systems
from local.cli.target import Target
from local.cloud.names import REGION
from local.environment import STACK, LocalEnvironment
from local.sandboxes.salesforce_seed import SELLERS, DealSample, close_won, create_deal

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
EVENTS = REPOSITORY / "events"
SECONDS = 60


@dataclass
class Interlock:
    """The environment, and the command line that works on it."""

    environment: LocalEnvironment

    @property
    def target(self) -> Target:
        return Target.local(STACK, REGION, self.environment.cloud.url)

    def run(self, *arguments: Any, input: str | None = None) -> Result:
        """What a command says and how it exits."""
        return CliRunner(mix_stderr=False).invoke(
            interlock, [str(each) for each in arguments], input=input
        )

    def output(self, *arguments: Any, input: str | None = None) -> str:
        """What a command prints; it succeeds."""
        result = self.run(*arguments, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: Any, input: str | None = None) -> Any:
        return json.loads(self.output(*arguments, input=input))

    def error(self, *arguments: Any, code: int = 1, input: str | None = None) -> str:
        """The one line of a command that fails as expected."""
        result = self.run(*arguments, input=input)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        [line] = [each for each in result.stderr.splitlines() if each.startswith("Error: ")]
        return line

    # -- business

    def win(self, deal: DealSample, *, suffix: str, share_too_many: bool = False) -> str:
        """Win a deal of its own; its run's id. With a seller's share too many it cannot pass."""
        organization = self.environment.organization
        opportunity = create_deal(organization, deal, suffix=suffix)
        if share_too_many:
            seller, _, _ = SELLERS["jonas.feld"]
            split = {"OpportunityId": opportunity, "SplitOwnerId": seller, "SplitPercentage": 10}
            organization.insert("OpportunitySplit", split)
        close_won(organization, opportunity)
        self.until(lambda: self._names(opportunity))
        return self._names(opportunity)[0]

    def order_of(self, run: str) -> Order:
        """The order that the ERP has for a run's deal."""
        order = Systems.of(self.target).erp.find_order(f"salesforce:{run.split('-')[0]}")
        assert order is not None
        return order

    def sample(self, deal: DealSample, run: str, *, suffix: str) -> DealSample:
        """The sample as `win` entered it."""
        accounts = tuple(replace(a, name=f"{a.name} {suffix}") for a in deal.accounts)
        return replace(deal, record_id=run.split("-")[0], accounts=accounts)

    def until(self, predicate: Callable[[], Any]) -> None:
        self.environment.cloud.run_until(predicate, timeout=SECONDS)

    def until_status(self, run: str, status: str) -> None:
        self.until(lambda: self._status(run) == status)

    def until_exception(self, run: str) -> str:
        """The id of the exception that a run waits with."""
        cloud = self.environment.cloud
        exceptions = {"TableName": cloud.resources["ExceptionsTable"]}

        def open_ones() -> list[str]:
            rows = cloud.client("dynamodb").scan(**exceptions)["Items"]
            return [
                row["id"]["S"]
                for row in rows
                if row["correlation_id"]["S"] == run and row["status"]["S"] == "open"
            ]

        # Without jumps of time: a day later the exception would be overdue.
        cloud.run_until(open_ones, timeout=SECONDS, jump=False)
        return open_ones()[0]

    def _executions(self) -> list[dict[str, Any]]:
        cloud = self.environment.cloud
        states = cloud.client("stepfunctions")
        return states.list_executions(stateMachineArn=cloud.resources["LeadToOrder"])["executions"]

    def _names(self, opportunity: str) -> list[str]:
        return [e["name"] for e in self._executions() if e["name"].startswith(opportunity)]

    def _status(self, run: str) -> str | None:
        return next((e["status"] for e in self._executions() if e["name"] == run), None)


@pytest.fixture(scope="package")
def local_environment() -> Iterator[LocalEnvironment]:
    with LocalEnvironment(virtual_time=True) as environment:
        # Some stories take months: what the subscriptions come to by then is no part of any.
        environment.stripe.account.on_event = None
        yield environment


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name=REGION)


@pytest.fixture(scope="session", autouse=True)
def no_terminal() -> Iterator[None]:
    """The width of the terminal in which the tests are started is none of theirs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture
def cli(
    local_environment: LocalEnvironment,
    session: boto3.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> Interlock:
    for name, value in {
        "AWS_ENDPOINT_URL": local_environment.cloud.url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "INTERLOCK_STACK": STACK,
    }.items():
        monkeypatch.setenv(name, value)
    # One for all commands: boto3 reads the description of each service once in a session.
    monkeypatch.setattr("local.cli.target.boto3.Session", lambda *_, **__: session)
    return Interlock(local_environment)


@pytest.fixture
def away_from_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing in the environment says where a stack is; the local cloud's file is the one given."""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "INTERLOCK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("INTERLOCK_LOCAL", str(tmp_path / "local.json"))
    return tmp_path / "local.json"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What moves the clock on by days comes last: others compare it with the real time."""
    ours = [item for item in items if item.path.parent == HERE]
    ordered = iter(sorted(ours, key=lambda item: item.path.name == "test_reconcile.py"))
    items[:] = [next(ordered) if item.path.parent == HERE else item for item in items]
