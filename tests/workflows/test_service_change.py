"""What a customer is entitled to changes, or a person suspends it: support and sales are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from decimal import Decimal

import pytest
from interlock.canonical.contracts import ContractStatus
from interlock.canonical.services import Entitlement, Service, ServiceState

from local.cli.api import APPROVER_ROLE
from local.cli.errors import Failure
from local.sandboxes.sandbox import FaultKind
from tests.workflows.breakages import events_refused
from tests.workflows.runs import Run
from tests.workflows.services import OPERATOR, SEATS, YEAR, Services
from tests.workflows.test_replay import untouched

LOOK = ["AssessService", "IsTold"]
ROUND = [*LOOK, "TellSupport", "TellCrm"]
TOLD = [
    "ReceiveEvent",
    "IsReplayOfStep",
    *ROUND,
    *LOOK,
    "IsDryRun",
    "PublishServiceChanged",
    "Told",
]
LONG = 900


@pytest.fixture
def account(services: Services) -> str:
    """A customer of whose ten seats nobody was told yet."""
    return services.customer()


def seats(account: str, quantity: int = 10, **values: object) -> Service:
    """What a customer with so many seats is entitled to."""
    entitlement = Entitlement(sku=SEATS, quantity=Decimal(quantity))
    given = {"state": ServiceState.ACTIVE, "entitlements": (entitlement,)}
    return Service(account_id=account, **(given | values))


def test_support_and_sales_are_told_once(services: Services, account: str) -> None:
    """Also of a change that is told twice, and that nothing came of."""
    event = services.event(account)
    for _ in range(2):
        services.billing.announce(event)
    run = Run(services, event.correlation_id)

    assert run.wait_for_end() == {"status": "active"}

    assert services.shown(account) == (seats(account), seats(account))
    assert run.states == TOLD
    assert run.events == ["service.change_requested", "service.changed"]
    assert run.timeline[-1].data["service"] == seats(account).model_dump(mode="json")
    again = services.change(account)
    again.wait_for_end()
    assert again.states == TOLD
    assert services.shown(account) == (seats(account), seats(account))


def test_a_contract_changes_and_ends(services: Services, account: str) -> None:
    services.change(account).wait_for_end()

    services.amend(account, lines=services.lines(25), status=ContractStatus.ENDING)
    services.change(account).wait_for_end()
    last_day = services.today + YEAR - YEAR / 365
    assert services.shown(account) == (seats(account, 25, until=last_day),) * 2

    services.amend(account, status=ContractStatus.ENDED)
    assert services.change(account).wait_for_end() == {"status": "ended"}
    ended = Service(account_id=account, state=ServiceState.ENDED)
    assert services.shown(account) == (ended, ended)


# ---- People


def test_a_person_suspends_and_another_one_resumes(services: Services, account: str) -> None:
    suspended = services.order(account, "suspend")
    assert services.order(account, "suspend").name == suspended.name
    with pytest.raises(Failure, match=f"was suspended before by {OPERATOR}"):
        services.order(account, "suspend", "another@interlock.example")

    assert suspended.wait_for_end() == {"status": "suspended"}
    shown = seats(account, state=ServiceState.SUSPENDED, reason="as agreed")
    assert services.shown(account) == (shown, shown)
    services.cloud.clock.advance(60)
    resumed = services.order(account, "resume", "another@interlock.example")
    assert resumed.wait_for_end() == {"status": "active"}
    assert services.shown(account) == (seats(account), seats(account))
    assert resumed.events == ["service.change_requested", "service.changed"]
    assert services.audited(account) == [
        (OPERATOR, "suspended"),
        ("another@interlock.example", "resumed"),
    ]


def test_nobody_else_may(services: Services, account: str) -> None:
    """Neither who approves, nor who has all rights: that is no person."""
    body, path = {"action": "suspend", "reason": "r"}, f"/accounts/{account}/service"
    with pytest.raises(Failure, match=r"execute-api:Invoke .*\(status 403\)"):
        services.api(OPERATOR, APPROVER_ROLE).post(path, body)
    with pytest.raises(Failure, match=r"assume the role \S*OperatorRole\S* \(status 403\)"):
        services.api(None).post(path, body)
    with pytest.raises(Failure, match=r"execute-api:Invoke .*\(status 403\)"):
        services.api(OPERATOR).get("/approvals")

    assert services.audited(account) == []


# ---- Two at the same time


@pytest.mark.parametrize("first_waits_at", ["TellSupport", "TellCrm"])
def test_two_runs_at_the_same_time_end_up_telling_the_truth(
    services: Services, account: str, first_waits_at: str
) -> None:
    """One has looked before the customer was suspended, and tells after the other one did."""
    services.change(account).wait_for_end()
    services.amend(account, lines=services.lines(11))
    vendor = "zendesk" if first_waits_at == "TellSupport" else "salesforce"
    sandbox = getattr(services.environment, vendor)
    sandbox.fail(FaultKind.THROTTLE, times=None, retry_after=LONG)
    slow = services.change(account)
    slow.wait_for_back_off(first_waits_at)
    sandbox.heal()

    quick = services.order(account, "suspend")
    quick.wait_until(lambda: quick.status == "SUCCEEDED", jump=False)
    assert services.states(account) == ("suspended", "suspended")
    assert slow.status == "RUNNING"
    assert slow.wait_for_end() == {"status": "suspended"}

    assert slow.count("AssessService") == 3, "it has looked, looked again, and found itself right"
    assert services.states(account) == ("suspended", "suspended")
    assert services.shown(account)[0] == seats(
        account, 11, state=ServiceState.SUSPENDED, reason="as agreed"
    )


def test_what_changes_while_it_is_told_is_told_too(services: Services, account: str) -> None:
    """Also by nobody else: the change's own event is lost."""
    services.environment.salesforce.fail(FaultKind.THROTTLE, times=None, retry_after=LONG)
    run = services.change(account)
    run.wait_for_back_off("TellCrm")
    services.amend(account, lines=services.lines(12))
    services.environment.salesforce.heal()

    run.wait_for_end()

    assert services.shown(account) == (seats(account, 12), seats(account, 12))
    assert run.events.count("service.changed") == 1


# ---- Whom a system does not know


def test_support_does_not_know_the_customer(services: Services) -> None:
    account = services.customer(known_to_support=False)

    assert services.change(account).wait_for_end() == {"status": "active"}

    assert services.shown(account) == (None, seats(account))


def test_sales_do_not_have_the_account(services: Services, account: str) -> None:
    """RevOps are asked; what sales are told may be left out."""
    services.environment.organization.delete("Account", account.partition(":")[2])
    run = services.change(account)
    exception = run.wait_for_exception()
    assert (exception.step, exception.error) == ("TellCrm", "RecordNotFound")
    assert (exception.team, exception.actions) == ("RevOps", ("retry", "skip"))

    run.resolve("skip", reason="is gone")

    assert run.wait_for_end() == {"status": "active"}
    assert services.systems.support.read_service(account) == seats(account)


# ---- A step fails


ORGANIZATIONS = "/organizations"
CALLS = [
    ("TellSupport", "zendesk", "GET", ORGANIZATIONS, (FaultKind.UNAVAILABLE, FaultKind.THROTTLE)),
    (
        "TellSupport", "zendesk", "PUT", ORGANIZATIONS,
        (FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE_AFTER_WRITE, FaultKind.UNAVAILABLE),
    ),
    ("TellCrm", "salesforce", "GET", "/query$", (FaultKind.UNAVAILABLE, FaultKind.THROTTLE)),
    (
        "TellCrm", "salesforce", "PATCH", "/Account/",
        (FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE_AFTER_WRITE, FaultKind.UNAVAILABLE),
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("step", "sandbox", "method", "path", "kinds"), CALLS)
def test_failure_for_a_while(
    step: str,
    sandbox: str,
    method: str,
    path: str,
    kinds: tuple[FaultKind, ...],
    services: Services,
    account: str,
) -> None:
    """5xx, throttling, an answer lost before and after the write: told, by itself."""
    for kind in kinds:
        getattr(services.environment, sandbox).fail(kind, method=method, path=path)

    run = services.change(account)

    assert run.wait_for_end() == {"status": "active"}
    assert run.count(step) > 1
    assert services.shown(account) == (seats(account), seats(account))
    assert run.events == ["service.change_requested", "service.changed"]


# The function of each step, in the order of the process; None for what the machine does itself.
STEPS = {
    "AssessService": "AssessServiceFunction",
    "TellSupport": "ShowServiceInSupportFunction",
    "TellCrm": "ShowServiceInCrmFunction",
    "PublishServiceChanged": None,
}


def broken(services: Services, function: str | None) -> AbstractContextManager[None]:
    """What makes a step fail."""
    return services.broken(function) if function else events_refused(services)


@pytest.mark.slow
def test_each_step_fails_for_good_and_goes_on(services: Services, account: str) -> None:
    """The platform's team is asked at each step in turn, and retries after the repair."""
    steps = list(STEPS.items())
    with ExitStack() as defects:
        defects.enter_context(broken(services, steps[0][1]))
        run = services.change(account)
        for (step, _), (_, following) in zip(steps, [*steps[1:], (None, "")], strict=True):
            exception = run.wait_for_exception()
            assert (exception.step, exception.team) == (step, "Platform")
            assert "compensate" not in exception.actions
            repaired = defects.pop_all()
            if following != "":
                defects.enter_context(broken(services, following))
            repaired.close()
            run.resolve("retry")
        assert run.wait_for_end() == {"status": "active"}
    assert services.shown(account) == (seats(account), seats(account))
    assert run.events.count("service.changed") == 1


# What is wrong with the facts, with whom is asked, and how it is put right.
Defect = Iterator[tuple[str, str, str]]


def support_key_expired(services: Services, account: str) -> Defect:
    """Zendesk's client; the platform's team renews it."""
    services.environment.zendesk.fail(FaultKind.EXPIRED_TOKEN, path=ORGANIZATIONS, times=None)
    yield "TellSupport", "CredentialsRejected", "Platform"
    services.environment.zendesk.heal()


@pytest.mark.slow
@pytest.mark.parametrize("happens", [support_key_expired])
def test_the_right_team_is_asked(
    happens: Callable[[Services, str], Defect], services: Services, account: str
) -> None:
    defect = happens(services, account)
    expected = next(defect)
    run = services.change(account)
    exception = run.wait_for_exception()
    assert (exception.step, exception.error, exception.team) == expected
    assert next(defect, None) is None

    run.resolve("retry")

    assert run.wait_for_end() == {"status": "active"}
    assert services.shown(account) == (seats(account), seats(account))


# ---- Replays


@pytest.mark.slow
def test_a_dry_run_tells_nobody(services: Services, account: str) -> None:
    """Before it was told, after that, when it is another thing, and from its last step."""
    event = services.event(account)
    with untouched(services):
        rehearsed = services.replay(event, f"{event.correlation_id}-dry-run", dry_run=True)
        assert rehearsed.wait_for_end() == {"status": "dry run"}
    assert rehearsed.states[-2:] == ["IsDryRun", "DryRunCompleted"]
    assert services.shown(account) == (None, None)

    services.billing.announce(event)
    run = Run(services, event.correlation_id)
    run.wait_for_end()
    services.amend(account, lines=services.lines(13))
    with untouched(services):
        rehearsed = services.replay(event, f"{event.correlation_id}-dry-run-2", dry_run=True)
        assert rehearsed.wait_for_end() == {"status": "dry run"}
    step = {"step": "PublishServiceChanged", "records": {}, "dry_run": True}
    rest = services.replay(event, f"{event.correlation_id}-dry-run-3", **step)
    assert rest.wait_for_end() == {"status": "dry run"}
    assert services.shown(account) == (seats(account), seats(account))
    assert run.events == ["service.change_requested", "service.changed"]


def test_a_replay_tells_what_is_true_now(services: Services, account: str) -> None:
    """Also what the run has told before, when others have told another thing since."""
    event = services.event(account)
    services.billing.announce(event)
    Run(services, event.correlation_id).wait_for_end()
    for number, quantity in enumerate((13, 10)):
        services.amend(account, lines=services.lines(quantity))
        replayed = services.replay(event, f"{event.correlation_id}-replay-{number}")

        assert replayed.wait_for_end() == {"status": "active"}
        assert services.shown(account) == (seats(account, quantity), seats(account, quantity))
