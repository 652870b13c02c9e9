"""What every support adapter must do about notices, run over HTTP against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from interlock.canonical.contracts import Notice
from interlock.connectors.support.port import SupportPort
from interlock.errors import OutcomeUnknown, RecordNotFound, VendorThrottled, VendorUnavailable

from local.sandboxes.sandbox import FaultKind, Sandbox
from local.sandboxes.zendesk_desk import SupportDesk
from tests.contracts.support.conftest import Later

ADDRESS = "accounts@acme.example"
NOTICE = Notice(
    id="crm:0067@2027-03-01",
    account_id="crm:0017",
    customer_name="Acme",
    customer_email=ADDRESS,
    subject="Your contract goes on by itself",
    body="It goes on for a year on 2027-03-01, unless you tell us otherwise by 2026-12-31.",
)
SENT_AT = datetime(2026, 11, 2, 9, 30, 10, tzinfo=UTC)


@pytest.fixture
def organization(api: httpx.Client) -> int:
    """The number of the customer's organization, which has its people by their addresses."""
    wanted = {"name": "Acme", "external_id": "crm:0017", "domain_names": ["acme.example"]}
    answer = api.post("/organizations", json={"organization": wanted})
    return answer.json()["organization"]["id"]


def send(support: SupportPort, notice: Notice = NOTICE) -> str:
    """Send a notice: its ticket's number."""
    remote_id = support.send_notice(notice, idempotency_key="key-1").remote_id
    assert remote_id
    return remote_id


def ticket(api: httpx.Client, number: str) -> dict:
    """A ticket as Zendesk has it."""
    return api.get(f"/tickets/{number}").raise_for_status().json()["ticket"]


class TestSending:
    @pytest.mark.usefixtures("organization")
    def test_it_is_there_as_it_was_sent(self, support: SupportPort) -> None:
        sent = support.send_notice(NOTICE, idempotency_key="key-1")

        assert sent == NOTICE.model_copy(
            update={
                "references": {"zendesk": sent.remote_id},
                "remote_id": sent.remote_id,
                "sent_at": SENT_AT,
            }
        )
        assert support.find_notice(NOTICE.id) == sent
        assert support.get_notice(sent.remote_id) == sent

    def test_the_customer_gets_an_e_mail(self, support: SupportPort, desk: SupportDesk) -> None:
        number = send(support)

        text = {"subject": NOTICE.subject, "body": NOTICE.body}
        assert desk.emails(ADDRESS) == [{"ticket_id": int(number), "to": ADDRESS, **text}]

    def test_support_sees_it_with_the_customer(
        self, support: SupportPort, api: httpx.Client, organization: int
    ) -> None:
        made = ticket(api, send(support))

        assert made["organization_id"] == organization
        assert made["submitter_id"] == api.get("/users/me").json()["user"]["id"]

    def test_to_somebody_that_support_knows(
        self, support: SupportPort, api: httpx.Client, organization: int
    ) -> None:
        known = {"name": "Wile", "email": ADDRESS, "organization_id": organization}
        user = api.post("/users/create_or_update", json={"user": known}).json()["user"]

        made = ticket(api, send(support))

        assert made["requester_id"] == user["id"]
        assert api.get(f"/users/{user['id']}").json()["user"]["name"] == "Wile"

    def test_to_a_customer_that_support_does_not_know(
        self, support: SupportPort, desk: SupportDesk, api: httpx.Client
    ) -> None:
        number = send(support)

        [email] = desk.emails(ADDRESS)
        assert email["body"] == NOTICE.body
        found = support.find_notice(NOTICE.id)
        assert found.account_id == f"zendesk:{ticket(api, number)['requester_id']}"

    def test_sent_once_per_key(self, support: SupportPort, desk: SupportDesk) -> None:
        first, second = (support.send_notice(NOTICE, idempotency_key="key-1") for _ in range(2))

        assert first == second
        assert len(desk.emails(ADDRESS)) == 1

    def test_an_answer_comes_back_to_the_same_ticket(
        self, support: SupportPort, desk: SupportDesk, api: httpx.Client
    ) -> None:
        number = send(support)
        desk.solve(int(number), by=desk.agent("sam@support.example"))

        assert desk.answer(int(number), "Please cancel.") == int(number)

        assert ticket(api, number)["status"] == "open"
        assert len(desk.emails(ADDRESS)) == 1

    def test_there_is_no_such_ticket(self, support: SupportPort) -> None:
        with pytest.raises(RecordNotFound):
            support.get_notice("404")

    def test_made_by_hand(self, support: SupportPort, desk: SupportDesk, later: Later) -> None:
        later(timedelta(days=1))
        number = desk.file("crm:0017", "We renew", by=desk.agent("sam@support.example"))

        notice = support.get_notice(str(number))

        assert (notice.id, notice.account_id) == (f"zendesk:{number}", "crm:0017")
        assert notice.sent_at == SENT_AT + timedelta(days=1)

    def test_throttled(self, support: SupportPort, sandbox: Sandbox) -> None:
        sandbox.fail(FaultKind.THROTTLE, path="/tickets", retry_after=7)

        with pytest.raises(VendorThrottled) as throttled:
            send(support)

        assert throttled.value.retry_after == 7


@pytest.mark.usefixtures("organization")
class TestWithdrawing:
    def test_the_customer_is_told(
        self, support: SupportPort, desk: SupportDesk, api: httpx.Client
    ) -> None:
        number = send(support)

        withdrawn = support.withdraw_notice(number)

        assert (withdrawn.id, withdrawn.remote_id) == (NOTICE.id, number)
        assert "disregard" in desk.emails(ADDRESS)[-1]["body"]
        assert ticket(api, number)["status"] == "solved"
        assert support.find_notice(NOTICE.id) is None

    def test_once(self, support: SupportPort, desk: SupportDesk) -> None:
        number = send(support)

        assert support.withdraw_notice(number) == support.withdraw_notice(number)

        assert len(desk.emails(ADDRESS)) == 2

    def test_tags_of_others_stay(self, support: SupportPort, api: httpx.Client) -> None:
        number = send(support)
        tags = [*ticket(api, number)["tags"], "vip"]
        api.put(f"/tickets/{number}", json={"ticket": {"tags": tags}}).raise_for_status()

        support.withdraw_notice(number)

        assert set(ticket(api, number)["tags"]) == {*tags, "interlock_notice_withdrawn"}

    def test_what_an_agent_solved_still_holds(
        self, support: SupportPort, desk: SupportDesk
    ) -> None:
        number = send(support)
        for status in ("solved", "closed"):
            desk.edit(int(number), by=desk.agent("sam@support.example"), status=status)
            assert support.find_notice(NOTICE.id).remote_id == number

    def test_a_closed_one_is_followed_up(
        self, support: SupportPort, desk: SupportDesk, api: httpx.Client
    ) -> None:
        number = send(support)
        desk.edit(int(number), by=desk.agent("sam@support.example"), status="closed")

        assert support.withdraw_notice(number) == support.withdraw_notice(number)

        told, follow_up = desk.emails(ADDRESS)
        assert told["ticket_id"] == int(number)
        assert "disregard" in follow_up["body"]
        source = ticket(api, follow_up["ticket_id"])["via"]["source"]
        assert (source["rel"], source["from"]["ticket_id"]) == ("follow_up", int(number))
        assert support.find_notice(NOTICE.id) is None

    def test_another_may_be_sent_then(self, support: SupportPort, desk: SupportDesk) -> None:
        support.withdraw_notice(send(support))
        closed = support.send_notice(NOTICE, idempotency_key="key-2").remote_id
        desk.edit(int(closed), by=desk.agent("sam@support.example"), status="closed")
        support.withdraw_notice(closed)

        again = support.send_notice(NOTICE, idempotency_key="key-3")

        assert support.find_notice(NOTICE.id) == again
        assert len(desk.emails(ADDRESS)) == 5

    @pytest.mark.parametrize("closed", [False, True])
    def test_a_lost_answer(
        self, support: SupportPort, desk: SupportDesk, sandbox: Sandbox, closed: bool
    ) -> None:
        number = send(support)
        if closed:
            desk.edit(int(number), by=desk.agent("sam@support.example"), status="closed")
        sandbox.fail(FaultKind.LOST_ANSWER, method="POST" if closed else "PUT", path="/tickets")
        with pytest.raises(OutcomeUnknown):
            support.withdraw_notice(number)

        support.withdraw_notice(number)

        assert len(desk.emails(ADDRESS)) == 2
        assert support.find_notice(NOTICE.id) is None

    def test_a_change_at_the_same_moment_is_not_lost(
        self, support: SupportPort, desk: SupportDesk, later: Later, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = send(support)
        account = desk.sandbox.account
        update = account.update_ticket

        def answered_meanwhile(*arguments, **options):
            monkeypatch.undo()
            later(timedelta(seconds=1))
            update(int(number), {"tags": ["vip"]})
            return update(*arguments, **options)

        monkeypatch.setattr(account, "update_ticket", answered_meanwhile)
        with pytest.raises(VendorUnavailable):
            support.withdraw_notice(number)

        assert len(desk.emails(ADDRESS)) == 1

    def test_there_is_no_such_ticket(self, support: SupportPort) -> None:
        with pytest.raises(RecordNotFound):
            support.withdraw_notice("404")
