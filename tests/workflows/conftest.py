"""The whole application with its systems, started once; each test has deals of its own.

The environment is closed after the last test of this package: a process has one local cloud.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import USD_DEAL, DealSample, create_deal
from tests.workflows.breakages import Stage
from tests.workflows.runs import Run, Workflow
from tests.workflows.systems import Systems

HERE = Path(__file__).parent
_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def environment() -> Iterator[LocalEnvironment]:
    """The real template, functions and ERP, in virtual time."""
    with LocalEnvironment(virtual_time=True) as environment:
        yield environment


@pytest.fixture(scope="package")
def _workflow(environment: LocalEnvironment) -> Workflow:
    return Workflow(environment)


@pytest.fixture(scope="package")
def systems(environment: LocalEnvironment) -> Iterator[Systems]:
    """What each system holds, read from the system itself."""
    systems = Systems(environment)
    yield systems
    systems.close()


@pytest.fixture
def workflow(_workflow: Workflow) -> Iterator[Workflow]:
    """Lead to order, with every system in order before and after; runs left open are aborted."""
    yield _workflow
    environment = _workflow.environment
    for sandbox in (
        environment.salesforce,
        environment.stripe,
        environment.zendesk,
        environment.erp_proxy,
    ):
        sandbox.heal()
    environment.tryton.start()
    for run in _workflow.running():
        run.stop()


@pytest.fixture
def new_deal(environment: LocalEnvironment) -> Callable[..., str]:
    """Enter a deal of its own, not won yet; `changes` are fields of the opportunity."""

    def new_deal(sample: DealSample = USD_DEAL, **changes: Any) -> str:
        organization = environment.organization
        with organization.transaction():
            deal = create_deal(organization, sample, suffix=f"No{next(_numbers)}")
            if changes:
                organization.update("Opportunity", deal, changes)
        return deal

    return new_deal


@pytest.fixture
def won(workflow: Workflow, new_deal: Callable[..., str]) -> Callable[..., Run]:
    """Enter a deal of its own and win it: its run."""

    def won(sample: DealSample = USD_DEAL, **changes: Any) -> Run:
        return workflow.win(new_deal(sample, **changes))

    return won


@pytest.fixture
def stage(workflow: Workflow, systems: Systems, new_deal: Callable[..., str]) -> Stage:
    """What a breakage acts on."""
    return Stage(workflow, systems, new_deal)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is asserted of all the tests here comes last among them."""
    ours = [item for item in items if item.path.parent == HERE]
    ordered = iter(sorted(ours, key=lambda item: item.path.name == "test_permissions.py"))
    items[:] = [next(ordered) if item.path.parent == HERE else item for item in items]
