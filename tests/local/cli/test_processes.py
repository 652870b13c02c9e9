"""The commands that bring their own cloud, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from local.cli.target import Target

from .conftest import EVENTS, REPOSITORY

PROGRAM = ["-c", "from local.cli.main import interlock; interlock(prog_name='interlock')"]
SABOTAGED = [str(Path(__file__).with_name("nothing_to_sell.py"))]
SECONDS = 120


class Processes:
    """Starts the command line as a terminal does; whatever still runs in the end is killed."""

    def __init__(self, folder: Path) -> None:
        self.state_file = folder / "local.json"
        self._started: list[subprocess.Popen] = []

    def start(self, *arguments: str, program: list[str] = PROGRAM) -> subprocess.Popen:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "INTERLOCK_"))}
        sources = f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'layers/interlock'}"
        ours = {"INTERLOCK_LOCAL": str(self.state_file), "PYTHONPATH": sources}
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=REPOSITORY,
            env=kept | ours,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._started:
            with process:
                process.kill()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as found:
        yield found


def until(predicate: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.2)


def listens(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((address.hostname, address.port)) == 0


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> list[subprocess.CompletedProcess]:
    """A demo, and one that goes wrong, at the same time."""
    with Processes(tmp_path_factory.mktemp("demos")) as processes:
        both = [processes.start("demo"), processes.start("demo", program=SABOTAGED)]
        told = [each.communicate(timeout=SECONDS) for each in both]
        return [
            subprocess.CompletedProcess(each.args, each.returncode, *output)
            for each, output in zip(both, told, strict=True)
        ]


@pytest.mark.slow
def test_the_demo_tells_the_whole_story(demos: list[subprocess.CompletedProcess]):
    output, errors = demos[0].stdout, demos[0].stderr
    assert (demos[0].returncode, errors) == (0, ""), output
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= 100
    story = [
        "The deal: Larkspur Robotics",
        "OpportunityChangeEvent on the partner bus",
        "opportunity.closed_won on the integration bus",
        "started: run 006Hs00000DealU",
        "✓ UpsertErpCustomer (2 of 2)",
        "✓ OrderAccepted",
        "read back from each system",
        "SO-00001",
        "56,290.00 USD",
        "Business timeline",
        "was won",
        "order SO-00001 for Larkspur Robotics Inc.",
        "records are there, once, as agreed",
    ]
    positions = [output.find(part) for part in story]
    assert -1 not in positions
    assert positions == sorted(positions)


@pytest.mark.slow
def test_a_demo_that_goes_wrong_says_what(demos: list[subprocess.CompletedProcess]):
    output, errors = demos[1].stdout, demos[1].stderr
    assert demos[1].returncode == 1
    assert "✗ ValidateOrder" in output
    told = " ".join(output.split())
    assert "✗ ValidateOrder waits for RevOps: BusinessRuleViolation" in told
    assert "product PLATFORM-ANNUAL is not in the billing catalogue" in told
    assert errors.startswith("Error: ")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_up_serves_the_other_commands_until_it_is_told_to_end(processes: Processes):
    state_file = processes.state_file
    up = processes.start("up", "--logs")
    until(lambda: state_file.exists() or up.poll() is not None)
    state = json.loads(state_file.read_text())
    assert all(listens(url) for url in state["systems"].values())

    def output(*arguments: str) -> str:
        process = processes.start(*arguments)
        told, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, errors
        return told

    sample = EVENTS / "partner" / "salesforce.OpportunityChangeEvent.jpy.json"
    assert "SalesforceBus" in output("send", str(sample))

    target = Target.local(state["stack"], state["region"], state["endpoint"])
    states, machine = target.client("stepfunctions"), target.id("LeadToOrder")
    ended = {"stateMachineArn": machine, "statusFilter": "SUCCEEDED"}
    until(lambda: states.list_executions(**ended)["executions"])
    told = json.loads(output("runs", "--json"))
    [run] = [each for each in told if not each["id"].endswith("-service")]
    # The deal was won before, silently: the event has something to point at.
    assert run["state"] == "OrderAccepted"

    up.send_signal(signal.SIGTERM)
    told, errors = up.communicate(timeout=SECONDS)
    assert (up.returncode, errors) == (0, "")
    assert state["endpoint"] in told
    assert "CreateOrderFunction" in told  # its log
    assert told.endswith("Ended.\n")
    assert not state_file.exists()
    assert not any(listens(url) for url in state["systems"].values())


def test_up_can_be_ended_while_it_starts(processes: Processes):
    process = processes.start("up")
    assert process.stdout.readline() == "Starting\n"
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert told.endswith("Ended.\n")
