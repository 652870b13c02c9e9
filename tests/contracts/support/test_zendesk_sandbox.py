"""What Zendesk documents and zenpy cannot show: tokens, idempotency keys, limits, safe updates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from local.sandboxes.sandbox import Sandbox
from local.sandboxes.zendesk import zendesk_sandbox

Later = Callable[[timedelta], None]

TICKET = {"ticket": {"subject": "My printer", "comment": {"body": "The smoke is very colorful."}}}


def token_answer(sandbox: Sandbox, **fields: str) -> httpx.Response:
    """Ask for a token; the fields change a good request."""
    wanted = {
        "grant_type": "client_credentials",
        "client_id": "interlock",
        "client_secret": "sandbox",
        "scope": "read write",
    }
    return httpx.post(f"{sandbox.url}/oauth/tokens", data=wanted | fields)


class TestTokens:
    def test_client_credentials(self, sandbox: Sandbox) -> None:
        answer = token_answer(sandbox)

        body = answer.json()
        assert answer.status_code == 200
        assert body.pop("access_token")
        assert body == {"token_type": "bearer", "scope": "read write", "expires_in": 1800}

    @pytest.mark.parametrize(
        ("fields", "status", "error"),
        [
            ({"client_secret": "wrong"}, 401, "invalid_client"),
            ({"client_id": "unknown"}, 401, "invalid_client"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ],
    )
    def test_refused(
        self, sandbox: Sandbox, fields: dict[str, str], status: int, error: str
    ) -> None:
        answer = token_answer(sandbox, **fields)

        assert (answer.status_code, answer.json()["error"]) == (status, error)

    def test_expires(self, api: httpx.Client, later: Later) -> None:
        later(timedelta(minutes=29, seconds=59))
        assert api.get("/users/me").status_code == 200
        later(timedelta(seconds=1))

        answer = api.get("/users/me")

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")

    @pytest.mark.parametrize(
        ("scope", "status"), [("read", 403), ("tickets:write", 201), ("organizations:write", 403)]
    )
    def test_scopes(self, sandbox: Sandbox, scope: str, status: int) -> None:
        token = token_answer(sandbox, scope=scope).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}

        answer = httpx.post(f"{sandbox.url}/api/v2/tickets", json=TICKET, headers=headers)

        assert answer.status_code == status


class TestIdempotencyKeys:
    def test_repeats_the_first_answer(self, api: httpx.Client) -> None:
        headers = {"Idempotency-Key": "key-1"}

        first, second = (api.post("/tickets", json=TICKET, headers=headers) for _ in range(2))

        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        assert first.headers["location"] == second.headers["location"]
        assert first.headers["x-idempotency-lookup"] == "miss"
        assert second.headers["x-idempotency-lookup"] == "hit"
        assert api.get("/tickets").json()["count"] == 1

    def test_refuses_other_parameters(self, api: httpx.Client) -> None:
        headers = {"Idempotency-Key": "key-1"}
        api.post("/tickets", json=TICKET, headers=headers)

        other = {"ticket": TICKET["ticket"] | {"subject": "My scanner"}}
        answer = api.post("/tickets", json=other, headers=headers)

        assert (answer.status_code, answer.json()["error"]) == (400, "IdempotentRequestError")

    def test_are_kept_for_two_hours(self, sandbox: Sandbox, later: Later) -> None:
        def lookup() -> str:
            token = token_answer(sandbox).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "key-1"}
            url = f"{sandbox.url}/api/v2/tickets"
            return httpx.post(url, json=TICKET, headers=headers).headers["x-idempotency-lookup"]

        assert lookup() == "miss"
        later(timedelta(hours=1, minutes=59))
        assert lookup() == "hit"
        later(timedelta(minutes=1))
        assert lookup() == "miss"

    def test_ticket_without_a_key_has_no_lookup(self, api: httpx.Client) -> None:
        assert "x-idempotency-lookup" not in api.post("/tickets", json=TICKET).headers


class TestLimits:
    def test_headers_count_down(self, api: httpx.Client) -> None:
        left = [int(api.get("/users/me").headers["x-rate-limit-remaining"]) for _ in range(3)]

        assert left == [699, 698, 697]
        assert api.get("/users/me").headers["x-rate-limit"] == "700"

    def test_hundred_ticket_updates_a_minute(self, api: httpx.Client, later: Later) -> None:
        number = api.post("/tickets", json=TICKET).json()["ticket"]["id"]

        def update() -> httpx.Response:
            return api.put(f"/tickets/{number}", json={"ticket": {"subject": "Once more"}})

        assert {update().status_code for _ in range(100)} == {200}
        refused = update()
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "50"  # the clock shows 10 seconds past
        assert api.get(f"/tickets/{number}").status_code == 200

        later(timedelta(seconds=50))
        assert update().status_code == 200

    def test_requests_of_the_account(self) -> None:
        sandbox = zendesk_sandbox(requests_per_minute=0).serve()
        try:
            token = token_answer(sandbox).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"{sandbox.url}/api/v2/users/me", headers=headers)
        finally:
            sandbox.close()

        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60


class TestTickets:
    def test_created(self, api: httpx.Client) -> None:
        answer = api.post("/tickets.json", json=TICKET)

        ticket = answer.json()["ticket"]
        assert answer.status_code == 201
        assert answer.headers["location"] == ticket["url"]
        assert httpx.get(ticket["url"], headers=api.headers).json()["ticket"] == ticket

    @pytest.mark.parametrize("safe_update", [True, False])
    def test_safe_update_of_a_changed_ticket(
        self, api: httpx.Client, later: Later, safe_update: bool
    ) -> None:
        ticket = api.post("/tickets", json=TICKET).json()["ticket"]
        address = f"/tickets/{ticket['id']}"
        later(timedelta(seconds=1))
        api.put(address, json={"ticket": {"priority": "high"}})

        safe = {"safe_update": safe_update, "updated_stamp": ticket["updated_at"]}
        refused = api.put(address, json={"ticket": {"subject": "Mine"} | safe})

        assert (refused.status_code, refused.json()["error"]) == (409, "UpdateConflict")
        now = api.get(address).json()["ticket"]
        assert (now["subject"], now["priority"]) == ("My printer", "high")
        safe["updated_stamp"] = now["updated_at"]
        assert api.put(address, json={"ticket": {"subject": "Mine"} | safe}).status_code == 200

    @pytest.mark.parametrize(
        ("changes", "attribute"),
        [
            ({"comment": {"body": ""}}, "base"),
            ({"status": "finished"}, "status"),
            ({"priority": "utmost"}, "priority"),
            ({"requester_id": 404}, "requester"),
            ({"assignee_id": 404}, "assignee"),
            ({"organization_id": 404}, "organization"),
            ({"requester": {"email": "new@example.com"}}, "name"),
        ],
    )
    def test_invalid(self, api: httpx.Client, changes: dict[str, Any], attribute: str) -> None:
        answer = api.post("/tickets", json={"ticket": TICKET["ticket"] | changes})

        body = answer.json()
        assert (answer.status_code, body["error"]) == (422, "RecordInvalid")
        assert list(body["details"]) == [attribute]
        assert api.get("/tickets").json()["count"] == 0

    def test_never_becomes_new_again(self, api: httpx.Client) -> None:
        number = api.post("/tickets", json=TICKET).json()["ticket"]["id"]
        api.put(f"/tickets/{number}", json={"ticket": {"status": "open"}})

        answer = api.put(f"/tickets/{number}", json={"ticket": {"status": "new"}})

        assert (answer.status_code, answer.json()["error"]) == (422, "RecordInvalid")

    def test_requester_is_found_by_address(self, api: httpx.Client) -> None:
        requester = {"requester": {"name": "Wile", "email": "wile@example.com"}}
        tickets = [
            api.post("/tickets", json={"ticket": TICKET["ticket"] | requester}).json()["ticket"]
            for _ in range(2)
        ]

        assert tickets[0]["requester_id"] == tickets[1]["requester_id"]

    def test_body_without_a_ticket(self, api: httpx.Client) -> None:
        answer = api.post("/tickets", json={"subject": "My printer"})

        assert answer.status_code == 400
        assert answer.json()["error"]["title"] == "Invalid attribute"

    def test_unknown_address(self, api: httpx.Client) -> None:
        answer = api.get("/ticket")

        assert (answer.status_code, answer.json()["error"]) == (404, "InvalidEndpoint")


class TestJobs:
    def test_lists_of_tags_leave_the_other_tags(self, api: httpx.Client) -> None:
        tagged = {"ticket": TICKET["ticket"] | {"tags": ["paper", "jam"]}}
        number = api.post("/tickets", json=tagged).json()["ticket"]["id"]
        lists = {"additional_tags": ["Past_Due"], "remove_tags": ["jam", "ink"]}

        api.put(f"/tickets/update_many?ids={number}", json={"ticket": lists})

        assert api.get(f"/tickets/{number}").json()["ticket"]["tags"] == ["paper", "past_due"]

    def test_lists_of_tags_are_for_one_change_to_all(self, api: httpx.Client) -> None:
        number = api.post("/tickets", json=TICKET).json()["ticket"]["id"]

        batch = {"tickets": [{"id": number, "additional_tags": ["vip"], "subject": "Mine"}]}
        api.put("/tickets/update_many", json=batch)

        ticket = api.get(f"/tickets/{number}").json()["ticket"]
        assert (ticket["subject"], ticket["tags"]) == ("Mine", [])

    def test_a_hundred_tickets_at_most(self, api: httpx.Client) -> None:
        ids = ",".join(map(str, range(101)))

        answer = api.put(f"/tickets/update_many?ids={ids}", json={"ticket": {"priority": "low"}})

        assert answer.status_code == 422

    def test_unknown_job(self, api: httpx.Client) -> None:
        assert api.get("/job_statuses/8b726e606741012ffc2d782bcb7848fe").status_code == 404


class TestOrganizations:
    def test_a_field_that_nobody_made_is_ignored(self, api: httpx.Client) -> None:
        wanted = {"name": "Acme", "organization_fields": {"colour": "red"}}

        made = api.post("/organizations", json={"organization": wanted}).json()["organization"]

        assert "colour" not in made["organization_fields"]
        changes = {"organization": {"organization_fields": {"interlock_dunning": "past due"}}}
        updated = api.put(f"/organizations/{made['id']}", json=changes).json()["organization"]
        assert updated["organization_fields"]["interlock_dunning"] == "past due"
        assert updated["name"] == "Acme"

    @pytest.mark.parametrize("path", ["", "/tags", "/tickets"])
    def test_unknown(self, api: httpx.Client, path: str) -> None:
        method = "GET" if path == "/tickets" else "PUT"
        body = {"organization": {}, "tags": []}

        answer = api.request(method, f"/organizations/404{path}", json=body)

        assert answer.status_code == 404

    # zenpy 2.0.57 writes a second question mark into the address of this search.
    @pytest.mark.parametrize(
        ("criterion", "found"),
        [
            ({"external_id": "CRM-7"}, ["Acme"]),
            ({"name": "acme"}, ["Acme"]),
            ({"name": "acm"}, []),
            ({"external_id": "crm-8"}, []),
        ],
    )
    def test_search_is_exact_but_for_case(
        self, api: httpx.Client, criterion: dict[str, str], found: list[str]
    ) -> None:
        for organization in ({"name": "Acme", "external_id": "crm-7"}, {"name": "Zeta"}):
            api.post("/organizations", json={"organization": organization})

        answer = api.get("/organizations/search", params=criterion)

        assert [each["name"] for each in answer.json()["organizations"]] == found
