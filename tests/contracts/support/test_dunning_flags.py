"""What every support adapter must do about dunning flags, run over HTTP against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import httpx
import pytest
from interlock.canonical import Money
from interlock.canonical.dunning import DunningFlag, DunningStatus
from interlock.connectors.support.port import SupportPort
from interlock.errors import ContractViolation, OutcomeUnknown, VendorThrottled

from local.sandboxes.sandbox import FaultKind, Sandbox

ACCOUNT = "crm:0017"
PAST_DUE = DunningFlag(
    account_id=ACCOUNT,
    status=DunningStatus.PAST_DUE,
    overdue=Money.of("36000.00", "USD"),
    since=date(2026, 10, 2),
)
ON_HOLD = PAST_DUE.model_copy(update={"status": DunningStatus.ON_HOLD})
NO_FLAG = DunningFlag(account_id=ACCOUNT, status=DunningStatus.NONE)
TAGS_OF = {
    "none": [],
    "past due": ["interlock_past_due"],
    "on hold": ["interlock_on_hold", "interlock_past_due"],
}


def writes(sandbox: Sandbox, method: str, path: str = "/api/v2/") -> int:
    """How many such requests the sandbox answered."""
    return sum(r.method == method and r.path.startswith(path) for r in sandbox.requests)


@pytest.fixture
def customer(api: httpx.Client) -> int:
    """The number of the customer's organization, which support has tagged for itself."""
    organization = {"name": "Acme", "external_id": ACCOUNT, "tags": ["vip"]}
    answer = api.post("/organizations", json={"organization": organization})
    return answer.json()["organization"]["id"]


@pytest.fixture
def ticket(api: httpx.Client, customer: int) -> Callable[..., int]:
    """Opens a ticket of the customer, as one of its people would; gives its number."""
    user = {"name": "Wile", "email": "wile@acme.example", "organization_id": customer}
    requester = api.post("/users/create_or_update", json={"user": user}).json()["user"]["id"]

    def open_ticket(**fields: object) -> int:
        wanted = {"comment": {"body": "It smokes."}, "requester_id": requester, "tags": ["printer"]}
        return api.post("/tickets", json={"ticket": wanted | fields}).json()["ticket"]["id"]

    return open_ticket


def tags(api: httpx.Client, path: str) -> list[str]:
    """The tags of a ticket or an organization that nobody else has given."""
    [record] = api.get(path).json().values()
    return [tag for tag in record["tags"] if tag not in ("printer", "vip")]


def test_a_customer_that_support_does_not_know(support: SupportPort, sandbox: Sandbox) -> None:
    assert support.read_dunning(ACCOUNT) is None
    assert support.write_dunning(PAST_DUE) is None
    assert writes(sandbox, "PUT") == 0


@pytest.mark.usefixtures("customer")
def test_a_customer_without_a_flag(support: SupportPort) -> None:
    assert support.read_dunning(ACCOUNT) == NO_FLAG


@pytest.mark.usefixtures("customer")
@pytest.mark.parametrize(
    "overdue",
    [Money.of("0.01", "USD"), Money.of("123456789012345.67", "EUR"), Money.of(1250, "JPY")],
    ids=str,
)
@pytest.mark.parametrize("flag", [PAST_DUE, ON_HOLD], ids=lambda flag: flag.status)
def test_it_reads_back_to_the_cent(support: SupportPort, flag: DunningFlag, overdue: Money) -> None:
    flag = flag.model_copy(update={"overdue": overdue})

    assert support.write_dunning(flag) == flag
    assert support.read_dunning(ACCOUNT) == flag


def test_tickets_and_organization_carry_it_beside_the_tags_of_others(
    support: SupportPort,
    api: httpx.Client,
    customer: int,
    ticket: Callable[..., int],
    later: Callable[[timedelta], None],
) -> None:
    numbers = [ticket(status=status) for status in ("new", "open", "pending", "hold")]
    paths = [f"/organizations/{customer}", *(f"/tickets/{number}" for number in numbers)]

    for flag in (PAST_DUE, ON_HOLD, NO_FLAG, ON_HOLD, PAST_DUE, NO_FLAG):
        later(timedelta(minutes=1))
        assert support.write_dunning(flag) == flag
        assert [tags(api, path) for path in paths] == [TAGS_OF[flag.status]] * 5
        assert "vip" in api.get(paths[0]).json()["organization"]["tags"]
        assert "printer" in api.get(paths[1]).json()["ticket"]["tags"]


def test_a_new_ticket_carries_it_too(
    support: SupportPort, api: httpx.Client, ticket: Callable[..., int]
) -> None:
    support.write_dunning(ON_HOLD)

    assert tags(api, f"/tickets/{ticket()}") == TAGS_OF["on hold"]


def test_solved_tickets_and_those_of_others_are_left_as_they_are(
    support: SupportPort, api: httpx.Client, ticket: Callable[..., int]
) -> None:
    solved = [ticket(status=status) for status in ("solved", "closed")]
    body = {"ticket": {"comment": {"body": "Of nobody."}}}
    other = api.post("/tickets", json=body).json()["ticket"]["id"]

    support.write_dunning(PAST_DUE)

    assert [tags(api, f"/tickets/{number}") for number in [*solved, other]] == [[]] * 3


def test_more_tickets_than_a_page_and_a_job_take(
    support: SupportPort, api: httpx.Client, sandbox: Sandbox, ticket: Callable[..., int]
) -> None:
    numbers = [ticket() for _ in range(101)]

    support.write_dunning(PAST_DUE)

    assert writes(sandbox, "PUT", "/api/v2/tickets/update_many") == 2
    assert [tags(api, f"/tickets/{n}") for n in (numbers[0], numbers[-1])] == [
        TAGS_OF["past due"]
    ] * 2


def test_the_same_again_changes_no_tags(
    support: SupportPort, sandbox: Sandbox, ticket: Callable[..., int]
) -> None:
    ticket()
    support.write_dunning(PAST_DUE)
    before = writes(sandbox, "PUT")

    support.write_dunning(PAST_DUE)

    assert writes(sandbox, "PUT") == before + 1  # the organization's fields alone
    assert writes(sandbox, "DELETE") == 0


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("PUT", "/tags$", FaultKind.LOST_ANSWER),
        ("PUT", "/update_many$", FaultKind.LOST_ANSWER),
        ("PUT", "/update_many$", FaultKind.UNAVAILABLE),
        ("PUT", "/organizations/[0-9]+$", FaultKind.UNAVAILABLE),
        ("DELETE", "/tags$", FaultKind.LOST_ANSWER),
    ],
)
def test_a_flag_that_reads_back_is_on_the_tickets_too(
    support: SupportPort,
    api: httpx.Client,
    sandbox: Sandbox,
    ticket: Callable[..., int],
    method: str,
    path: str,
    kind: FaultKind,
) -> None:
    number = ticket()
    flag, before = (PAST_DUE, NO_FLAG) if method == "PUT" else (NO_FLAG, ON_HOLD)
    support.write_dunning(before)
    sandbox.fail(kind, method=method, path=path)

    with pytest.raises(OutcomeUnknown):
        support.write_dunning(flag)

    assert support.read_dunning(ACCOUNT) == before
    assert support.write_dunning(flag) == support.read_dunning(ACCOUNT) == flag
    assert tags(api, f"/tickets/{number}") == TAGS_OF[flag.status]


@pytest.mark.usefixtures("customer")
def test_throttled(support: SupportPort, sandbox: Sandbox) -> None:
    for call in (
        lambda: support.read_dunning(ACCOUNT),
        lambda: support.write_dunning(PAST_DUE),
    ):
        sandbox.fail(FaultKind.THROTTLE, path="/organizations", retry_after=7)
        with pytest.raises(VendorThrottled) as throttled:
            call()
        assert throttled.value.retry_after == 7


@pytest.mark.usefixtures("customer")
def test_five_updates_of_an_organization_a_minute(support: SupportPort) -> None:
    for _ in range(5):
        support.write_dunning(PAST_DUE)

    with pytest.raises(VendorThrottled) as throttled:
        support.write_dunning(NO_FLAG)

    assert throttled.value.retry_after == 50


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("interlock_dunning", "late", "status"),
        ("interlock_overdue_amount", "36 thousand", "overdue"),
        ("interlock_overdue_currency", None, "overdue"),
        ("interlock_overdue_since", "October", "since"),
    ],
)
def test_what_people_entered_is_no_flag(
    support: SupportPort,
    api: httpx.Client,
    customer: int,
    field: str,
    value: str | None,
    named: str,
) -> None:
    support.write_dunning(PAST_DUE)
    changes = {"organization": {"organization_fields": {field: value}}}
    api.put(f"/organizations/{customer}", json=changes).raise_for_status()

    with pytest.raises(ContractViolation, match=f"the {named} .* none of ours"):
        support.read_dunning(ACCOUNT)
