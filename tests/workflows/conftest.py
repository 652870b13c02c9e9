"""The whole application with its systems, started once; each test has deals of its own.

The environment is closed after the last test of this package: a process has one local cloud.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import USD_DEAL, DealSample, create_deal
from tests.workflows.billing import Billing, Customer
from tests.workflows.breakages import Stage
from tests.workflows.credits import Credits, Served
from tests.workflows.parts import part_of
from tests.workflows.renewals import Renewals
from tests.workflows.runs import Run, Workflow
from tests.workflows.services import Services
from tests.workflows.systems import Systems

HERE = Path(__file__).parent
ALL_TESTS = pytest.StashKey[set[str]]()
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


@pytest.fixture(scope="package")
def _billing(environment: LocalEnvironment) -> Billing:
    return Billing(environment)


@pytest.fixture
def in_order(environment: LocalEnvironment) -> Iterator[None]:
    """Every system is in order before and after."""
    yield
    for sandbox in (
        environment.salesforce,
        environment.stripe,
        environment.zendesk,
        environment.erp_proxy,
    ):
        sandbox.heal()
    environment.tryton.start()


@pytest.fixture
def workflow(_workflow: Workflow, in_order: None) -> Iterator[Workflow]:
    """Lead to order; runs left open are aborted, and what was signed comes to no end."""
    yield _workflow
    _workflow.forget_milestones()
    for run in _workflow.running():
        run.stop()


@pytest.fixture
def billing(_billing: Billing, in_order: None) -> Iterator[Billing]:
    """Subscription billing, in which nothing goes on of what others began."""
    _billing.clear()
    yield _billing
    _billing.clear()


@pytest.fixture
def new_customer(billing: Billing, systems: Systems) -> Callable[..., Customer]:
    """Enter a customer of a subsidiary, with no documents."""
    return partial(billing.customer, systems.erp)


@pytest.fixture
def customer(new_customer: Callable[..., Customer]) -> Customer:
    """One of the American company."""
    return new_customer()


@pytest.fixture
def credits(billing: Billing, systems: Systems) -> Iterator[Credits]:
    """Case to credit, with subscription billing that writes the books; open runs are aborted."""
    credits = Credits(billing, systems.erp)
    credits.begin()
    yield credits
    for run in credits.running():
        run.stop()


@pytest.fixture
def served(credits: Credits) -> Served:
    """A customer of the American company, charged 1,000.00 USD for the month."""
    return credits.serve()


@pytest.fixture
def renewals(workflow: Workflow, billing: Billing, systems: Systems) -> Iterator[Renewals]:
    """Renewal operations, with all that they build on; open runs are aborted."""
    renewals = Renewals(workflow, billing, systems)
    yield renewals
    for run in renewals.running():
        run.stop()


@pytest.fixture
def services(billing: Billing) -> Iterator[Services]:
    """Service changes; open runs are aborted."""
    services = Services(billing)
    yield services
    for run in services.running():
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Part by part; what is asserted of all the tests of one comes last among them."""
    ours = [item for item in items if item.path.parent == HERE]
    config.stash[ALL_TESTS] = {item.nodeid for item in ours}
    for item in ours:
        item.add_marker("workflow")
    ordered = iter(
        sorted(
            ours, key=lambda item: (part_of(item.nodeid), item.path.name == "test_permissions.py")
        )
    )
    items[:] = [next(ordered) if item.path.parent == HERE else item for item in items]


@pytest.fixture
def after_all_tests(request: pytest.FixtureRequest) -> None:
    """Skips unless all the tests of this folder run, none deselected."""
    run = {item.nodeid: item.path for item in request.session.items}
    if not (
        run.keys() >= request.config.stash[ALL_TESTS]
        and {*run.values()} >= {*HERE.glob("test_*.py")}
    ):
        pytest.skip("it takes all the workflow tests to tell")
