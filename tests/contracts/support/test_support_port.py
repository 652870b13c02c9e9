"""What every support adapter must do, run over HTTP against the vendor's sandbox."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from interlock.canonical import Task
from interlock.connectors.support.port import SupportPort
from interlock.errors import (
    CredentialsRejected,
    InterlockError,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorThrottled,
    VendorUnavailable,
)

from local.sandboxes.sandbox import FaultKind, Sandbox
from tests.contracts.unreachable import unreachable

TASK = Task(
    id="order-1:kick-off",
    subject="Kick-off with Acme",
    body="Agree on the plan.\nWho: customer success.",
    customer_id="crm:0017",
    customer_name="Acme GmbH & Co. KG",
)
TICKETS = "/api/v2/tickets$"


def writes(sandbox: Sandbox, method: str, path: str = "/api/v2/tickets") -> int:
    """How many such requests the sandbox applied."""
    return sum(r.method == method and r.path.startswith(path) for r in sandbox.requests)


class TestTasks:
    def test_created_task_reads_back(self, support: SupportPort) -> None:
        created = support.create_task(TASK, idempotency_key="key-1")

        assert created.remote_id
        assert created.status == "new"
        assert created.references == {"zendesk": created.remote_id}
        expected = TASK.model_copy(
            update={
                "remote_id": created.remote_id,
                "references": created.references,
                "status": "new",
            }
        )
        assert created == expected
        assert support.get_task(created.remote_id) == created

    def test_created_task_is_found_at_once(self, support: SupportPort) -> None:
        created = support.create_task(TASK, idempotency_key="key-1")

        assert support.find_task(TASK.id) == created

    def test_two_open_tickets_with_one_id_are_a_conflict(self, support: SupportPort) -> None:
        first = support.create_task(TASK, idempotency_key="key-1")
        second = support.create_task(TASK, idempotency_key="key-2")

        with pytest.raises(RecordConflict) as conflict:
            support.find_task(TASK.id)

        assert f"{first.remote_id}, {second.remote_id}" in str(conflict.value)

    def test_task_without_a_body(self, support: SupportPort) -> None:
        task = TASK.model_copy(update={"body": ""})

        assert support.create_task(task, idempotency_key="key-1").body == TASK.subject

    def test_missing_ticket(self, support: SupportPort) -> None:
        with pytest.raises(RecordNotFound):
            support.get_task("404")
        with pytest.raises(RecordNotFound):
            support.close_task("404", note="Cancelled.")

    def test_ticket_made_by_hand_can_be_read(self, support: SupportPort, api: httpx.Client) -> None:
        body = {"ticket": {"subject": "Kick-off", "comment": {"body": "Made by an agent"}}}
        number = api.post("/tickets", json=body).json()["ticket"]["id"]

        task = support.get_task(str(number))

        assert task.id == f"zendesk:{number}"
        assert task.customer_name == "Integration"
        assert task.customer_id.startswith("zendesk:")


class TestIdempotency:
    def test_same_key_and_task_are_one_ticket(
        self, support: SupportPort, api: httpx.Client
    ) -> None:
        first = support.create_task(TASK, idempotency_key="key-1")
        second = support.create_task(TASK, idempotency_key="key-1")

        assert first == second
        assert api.get("/tickets").json()["count"] == 1

    def test_same_key_with_another_task_is_a_conflict(self, support: SupportPort) -> None:
        support.create_task(TASK, idempotency_key="key-1")

        with pytest.raises(RecordConflict):
            support.create_task(
                TASK.model_copy(update={"subject": "Training"}), idempotency_key="key-1"
            )


class TestCustomers:
    def test_tasks_of_one_customer_share_its_organization(
        self, support: SupportPort, api: httpx.Client
    ) -> None:
        for number, name in enumerate(("Acme", "Acme Group")):
            task = TASK.model_copy(update={"id": f"order-1:{number}", "customer_name": name})
            support.create_task(task, idempotency_key=f"key-{number}")

        (organization,) = api.get("/organizations").json()["organizations"]
        tickets = api.get("/tickets").json()["tickets"]
        assert organization["name"] == "Acme"
        assert {ticket["organization_id"] for ticket in tickets} == {organization["id"]}
        assert len({ticket["requester_id"] for ticket in tickets}) == 1

    def test_organization_that_support_already_has_is_used(
        self, support: SupportPort, api: httpx.Client, sandbox: Sandbox
    ) -> None:
        wanted = {"organization": {"name": "Acme (key account)", "external_id": TASK.customer_id}}
        number = api.post("/organizations", json=wanted).json()["organization"]["id"]

        support.create_task(TASK, idempotency_key="key-1")

        assert writes(sandbox, "POST", "/api/v2/organizations") == 1
        assert api.get("/tickets").json()["tickets"][0]["organization_id"] == number
        organization = api.get(f"/organizations/{number}").json()["organization"]
        assert organization["name"] == "Acme (key account)"

    @pytest.mark.parametrize("external_id", [None, "crm:0016"])
    def test_organization_of_the_same_name_is_another_customer(
        self, support: SupportPort, api: httpx.Client, external_id: str | None
    ) -> None:
        wanted = {"organization": {"name": TASK.customer_name, "external_id": external_id}}
        other = api.post("/organizations", json=wanted).json()["organization"]["id"]

        created = support.create_task(TASK, idempotency_key="key-1")

        assert support.get_task(created.remote_id) == created
        (ticket,) = api.get("/tickets").json()["tickets"]
        assert ticket["organization_id"] != other
        path = f"/organizations/{ticket['organization_id']}"
        organization = api.get(path).json()["organization"]
        assert organization["external_id"] == TASK.customer_id
        assert organization["name"] == f"{TASK.customer_name} ({TASK.customer_id})"

    def test_two_customers_of_one_name_stay_apart(
        self, support: SupportPort, api: httpx.Client
    ) -> None:
        for number in range(4):
            other = {"id": f"order-{number}:kick-off", "customer_id": f"crm:{number % 2}"}
            task = TASK.model_copy(update=other)
            created = support.create_task(task, idempotency_key=f"key-{number}")
            assert created.customer_id == task.customer_id

        tickets = api.get("/tickets").json()["tickets"]
        members = [(ticket["organization_id"], ticket["requester_id"]) for ticket in tickets]
        assert members[0] == members[2] != members[1] == members[3]
        assert len({number for pair in members for number in pair}) == 4
        assert len(api.get("/organizations").json()["organizations"]) == 2

    def test_tasks_created_at_once_share_one_organization(
        self, support: SupportPort, api: httpx.Client
    ) -> None:
        taken = {"organization": {"name": TASK.customer_name}}
        api.post("/organizations", json=taken)

        def create(number: int) -> None:
            task = TASK.model_copy(update={"id": f"order-1:{number}"})
            support.create_task(task, idempotency_key=f"key-{number}")

        with ThreadPoolExecutor(5) as threads:
            list(threads.map(create, range(5)))

        tickets = api.get("/tickets").json()["tickets"]
        assert len(tickets) == 5
        assert len({ticket["organization_id"] for ticket in tickets}) == 1
        assert len(api.get("/organizations").json()["organizations"]) == 2


class TestClosing:
    def test_solves_with_an_internal_note(self, support: SupportPort, api: httpx.Client) -> None:
        created = support.create_task(TASK, idempotency_key="key-1")

        closed = support.close_task(created.remote_id, note="The order was cancelled.")

        assert closed == created.model_copy(update={"status": "solved"})
        comments = api.get(f"/tickets/{created.remote_id}/comments").json()["comments"]
        assert [comment["body"] for comment in comments] == [TASK.body, "The order was cancelled."]
        assert not any(comment["public"] for comment in comments)

    def test_closed_task_counts_as_absent_and_can_be_opened_anew(
        self, support: SupportPort
    ) -> None:
        first = support.create_task(TASK, idempotency_key="revision-1")
        support.close_task(first.remote_id, note="Reopened opportunity.")
        assert support.find_task(TASK.id) is None

        second = support.create_task(TASK, idempotency_key="revision-2")

        assert second.remote_id != first.remote_id
        assert support.find_task(TASK.id) == second

    @pytest.mark.parametrize("status", ["solved", "closed"])
    def test_closed_task_is_left_as_it_is(
        self, support: SupportPort, api: httpx.Client, sandbox: Sandbox, status: str
    ) -> None:
        created = support.create_task(TASK, idempotency_key="key-1")
        api.put(f"/tickets/{created.remote_id}", json={"ticket": {"status": status}})

        assert support.close_task(created.remote_id, note="Cancelled.").status == status
        assert writes(sandbox, "PUT") == 1
        assert len(api.get(f"/tickets/{created.remote_id}/comments").json()["comments"]) == 1


class TestFaults:
    @pytest.mark.parametrize(
        "call",
        [
            lambda support: support.find_task(TASK.id),
            lambda support: support.create_task(TASK, idempotency_key="key-1"),
        ],
        ids=["read", "write"],
    )
    def test_throttled(
        self, support: SupportPort, sandbox: Sandbox, call: Callable[[SupportPort], None]
    ) -> None:
        sandbox.fail(FaultKind.THROTTLE, path=TICKETS, retry_after=7)

        with pytest.raises(VendorThrottled) as throttled:
            call(support)

        assert throttled.value.retry_after == 7
        assert writes(sandbox, "POST") == 0

    @pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE, FaultKind.LOST_ANSWER])
    def test_read_that_failed(
        self, support: SupportPort, sandbox: Sandbox, kind: FaultKind
    ) -> None:
        sandbox.fail(kind, path=TICKETS)

        with pytest.raises(VendorUnavailable):
            support.find_task(TASK.id)

    @pytest.mark.parametrize(
        ("kind", "applied"),
        [
            (FaultKind.UNAVAILABLE, False),
            (FaultKind.UNAVAILABLE_AFTER_WRITE, True),
            (FaultKind.LOST_ANSWER, True),
        ],
    )
    def test_creation_of_unknown_outcome(
        self, support: SupportPort, sandbox: Sandbox, kind: FaultKind, applied: bool
    ) -> None:
        sandbox.fail(kind, method="POST", path=TICKETS)

        with pytest.raises(OutcomeUnknown):
            support.create_task(TASK, idempotency_key="key-1")

        found = support.find_task(TASK.id)
        assert (found is not None) is applied
        again = support.create_task(TASK, idempotency_key="key-1")
        assert support.find_task(TASK.id) == again
        assert found in (None, again)

    @pytest.mark.parametrize("path", ["/organizations$", "/users/create_or_update$"])
    @pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE_AFTER_WRITE, FaultKind.LOST_ANSWER])
    def test_creation_that_failed_at_the_customer_can_be_repeated(
        self,
        support: SupportPort,
        sandbox: Sandbox,
        api: httpx.Client,
        path: str,
        kind: FaultKind,
    ) -> None:
        sandbox.fail(kind, method="POST", path=path)
        with pytest.raises(OutcomeUnknown):
            support.create_task(TASK, idempotency_key="key-1")
        assert support.find_task(TASK.id) is None

        created = support.create_task(TASK, idempotency_key="key-1")

        assert created.customer_name == TASK.customer_name
        assert len(api.get("/organizations").json()["organizations"]) == 1

    @pytest.mark.parametrize(
        "kind",
        [FaultKind.UNAVAILABLE, FaultKind.UNAVAILABLE_AFTER_WRITE, FaultKind.LOST_ANSWER],
    )
    def test_closing_of_unknown_outcome_leaves_one_note_when_repeated(
        self, support: SupportPort, sandbox: Sandbox, api: httpx.Client, kind: FaultKind
    ) -> None:
        number = support.create_task(TASK, idempotency_key="key-1").remote_id
        sandbox.fail(kind, method="PUT")

        with pytest.raises(OutcomeUnknown):
            support.close_task(number, note="Cancelled.")

        assert support.close_task(number, note="Cancelled.").status == "solved"
        comments = api.get(f"/tickets/{number}/comments").json()["comments"]
        assert [comment["body"] for comment in comments] == [TASK.body, "Cancelled."]

    def test_unreachable(self, connect: Callable[..., SupportPort], sandbox: Sandbox) -> None:
        with unreachable(sandbox), pytest.raises(VendorUnavailable):
            connect().create_task(TASK, idempotency_key="key-1")


class TestCredentials:
    def test_one_token_serves_many_requests(self, support: SupportPort, sandbox: Sandbox) -> None:
        support.create_task(TASK, idempotency_key="key-1")
        support.find_task(TASK.id)

        assert writes(sandbox, "POST", "/oauth/tokens") == 1

    def test_expired_token_is_renewed_exactly_once(
        self, support: SupportPort, sandbox: Sandbox
    ) -> None:
        support.find_task(TASK.id)
        before = writes(sandbox, "POST", "/oauth/tokens")
        sandbox.fail(FaultKind.EXPIRED_TOKEN, method="POST", path=TICKETS)

        created = support.create_task(TASK, idempotency_key="key-1")

        assert writes(sandbox, "POST", "/oauth/tokens") == before + 1
        assert support.find_task(TASK.id) == created

    def test_token_that_is_refused_again_is_not_renewed_again(
        self, support: SupportPort, sandbox: Sandbox
    ) -> None:
        sandbox.fail(FaultKind.EXPIRED_TOKEN, path="/api/v2/", times=None)

        with pytest.raises(CredentialsRejected):
            support.find_task(TASK.id)

        assert writes(sandbox, "POST", "/oauth/tokens") == 2

    def test_wrong_secret(self, connect: Callable[[dict[str, str]], SupportPort]) -> None:
        support = connect({"client_id": "interlock", "client_secret": "revoked-value"})

        with pytest.raises(CredentialsRejected) as rejected:
            support.find_task(TASK.id)

        assert "revoked-value" not in str(rejected.value)

    def test_error_names_the_call_but_no_content(
        self, support: SupportPort, sandbox: Sandbox
    ) -> None:
        sandbox.fail(FaultKind.UNAVAILABLE, method="POST", path=TICKETS)

        with pytest.raises(InterlockError) as error:
            support.create_task(TASK, idempotency_key="key-1")

        assert "zendesk create_task order-1:kick-off" in str(error.value)
        assert "html" not in str(error.value)
