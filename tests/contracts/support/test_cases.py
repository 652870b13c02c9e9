"""What every support adapter must do about cases, run over HTTP against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from interlock.canonical import Money
from interlock.canonical.credits import Case, CreditOutcome, CreditStatus, Severity
from interlock.connectors.support.port import SupportPort
from interlock.errors import (
    BusinessRuleViolation,
    ContractViolation,
    OutcomeUnknown,
    RecordNotFound,
    VendorThrottled,
    VendorUnavailable,
)

from local.sandboxes.sandbox import FaultKind, Sandbox
from local.sandboxes.zendesk_desk import SupportDesk

ACCOUNT = "crm:0017"
INCIDENT = {
    "severity": "critical",
    "started_at": "2026-11-01T09:30:00Z",
    "ended_at": "2026-11-01 12:00+01:00",
    "products": "PLATFORM-ANNUAL, SEAT-ANNUAL,PLATFORM-ANNUAL, ",
}
NOW = datetime(2026, 11, 2, 9, 30, 10, tzinfo=UTC)

Later = Callable[[timedelta], None]
Person = dict[str, Any]


@pytest.fixture
def agent(desk: SupportDesk) -> Person:
    """Who files tickets."""
    return desk.agent("Sam@Support.example")


@pytest.fixture
def number(desk: SupportDesk, agent: Person) -> int:
    """A ticket about an incident, for which nobody has asked for a credit."""
    return desk.file(ACCOUNT, "Exports fail", by=agent, **INCIDENT)


def canonical(number: int) -> str:
    return f"zendesk:{number}"


def outcome(number: int, **changes: Any) -> CreditOutcome:
    """A credit that was granted."""
    told = {
        "case_id": canonical(number),
        "transaction": "zendesk-7-1793611810",
        "status": CreditStatus.GRANTED,
        "amount": Money.of("1250.50", "USD"),
        "documents": ("CN-1", "CN-2"),
        "reasons": ("November 2026: 99.71 % available.", "10 % of the fee is given back."),
    }
    return CreditOutcome(**told | changes)


def in_fields(told: CreditOutcome) -> CreditOutcome:
    """What a case says of it when it is read again."""
    return told.model_copy(update={"documents": (), "reasons": ()})


class TestGetCase:
    def test_as_it_is_now(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int
    ) -> None:
        desk.request_credit(number, by=agent)

        assert support.get_case(canonical(number)) == Case(
            id=canonical(number),
            references={"zendesk": str(number)},
            number=str(number),
            subject="Exports fail",
            status="new",
            account_id=ACCOUNT,
            severity=Severity.CRITICAL,
            started_at=datetime(2026, 11, 1, 9, 30, tzinfo=UTC),
            ended_at=datetime(2026, 11, 1, 11, 0, tzinfo=UTC),
            skus=("PLATFORM-ANNUAL", "SEAT-ANNUAL"),
            requested_by="sam@support.example",
            requested_at=NOW,
        )

    def test_nothing_entered(self, support: SupportPort, desk: SupportDesk, agent: Person) -> None:
        case = support.get_case(canonical(desk.file(ACCOUNT, "Exports fail", by=agent)))

        assert (case.severity, case.started_at, case.ended_at, case.skus) == (None, None, None, ())
        assert (case.requested_by, case.requested_at, case.problems) == (None, None, ())

    def test_who_asked_last_and_when(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int, later: Later
    ) -> None:
        desk.request_credit(number, by=agent)
        later(timedelta(hours=1))
        desk.enter(number, by=agent, credit="")
        assert support.get_case(canonical(number)).requested_by is None
        later(timedelta(minutes=20))
        desk.request_credit(number, by=desk.agent("kim@support.example"))
        later(timedelta(minutes=20))
        desk.enter(number, by=agent, severity="minor")  # does not ask again

        case = support.get_case(canonical(number))

        assert case.requested_by == "kim@support.example"
        assert case.requested_at == NOW + timedelta(hours=1, minutes=20)

    def test_asked_for_when_it_was_filed(
        self, support: SupportPort, desk: SupportDesk, agent: Person
    ) -> None:
        number = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")

        case = support.get_case(canonical(number))

        assert (case.requested_by, case.requested_at) == ("sam@support.example", NOW)

    def test_more_audits_than_a_page_has(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int, later: Later
    ) -> None:
        desk.request_credit(number, by=agent)
        for count in range(101):
            later(timedelta(seconds=1))
            desk.edit(number, by=agent, subject=f"Exports fail {count}")

        assert support.get_case(canonical(number)).requested_at == NOW

    @pytest.mark.parametrize(
        ("field", "text", "problem"),
        [
            ("started_at", "yesterday", "its field 'started at' says 'yesterday': enter a time"),
            ("started_at", "2026-11-01T09:30", "says '2026-11-01T09:30': enter a time as"),
            ("started_at", "2026-11-31T09:30Z", "enter a time as 2026-11-02T09:30Z"),
            ("ended_at", "1793611810", "its field 'ended at' says '1793611810'"),
            ("ended_at", "9" * 900, f"its field 'ended at' says '{'9' * 60}': enter a time"),
            ("products", "A" * 65, "its field 'products' says"),
        ],
    )
    def test_what_nobody_can_read_is_a_problem(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        number: int,
        field: str,
        text: str,
        problem: str,
    ) -> None:
        desk.enter(number, by=agent, **{field: text})

        [found] = support.get_case(canonical(number)).problems

        assert problem in found
        assert len(found) < 200

    @pytest.mark.parametrize("customer", [None, "no id"])
    def test_a_customer_that_nobody_knows_is_a_problem(
        self, support: SupportPort, desk: SupportDesk, agent: Person, customer: str | None
    ) -> None:
        case = support.get_case(canonical(desk.file(customer, "Exports fail", by=agent)))

        assert case.account_id is None
        assert "organization carries no customer's id" in case.problems[0]

    def test_asked_for_by_somebody_who_is_no_agent_is_a_problem(
        self, support: SupportPort, desk: SupportDesk, sandbox: Sandbox, number: int
    ) -> None:
        user = {"name": "Wile", "email": "wile@acme.example"}
        customer = desk.sandbox.by_hand(lambda account: account.create_or_update_user(user)[0])
        desk.request_credit(number, by=customer)

        case = support.get_case(canonical(number))

        assert case.requested_by == "wile@acme.example"
        assert case.problems == ("no agent asked for the credit: an agent has to ask for it",)

    def test_asked_for_by_zendesk_itself_is_a_problem(
        self, support: SupportPort, desk: SupportDesk, number: int
    ) -> None:
        desk.request_credit(number, by={"id": -1})

        case = support.get_case(canonical(number))

        assert (case.requested_by, len(case.problems)) == ("user -1", 1)

    def test_asked_for_and_nobody_knows_by_whom(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int
    ) -> None:
        desk.request_credit(number, by=agent)
        desk.sandbox.by_hand(lambda account: account.audits[number].clear())

        case = support.get_case(canonical(number))

        assert case.requested_by == "nobody known"
        assert case.requested_at == NOW
        assert case.problems == ("nobody knows who asked for the credit: ask for it anew",)

    @pytest.mark.parametrize("case_id", ["zendesk:404", "zendesk:1/../2", "zendesk:one"])
    def test_none_there(self, support: SupportPort, case_id: str) -> None:
        with pytest.raises(RecordNotFound):
            support.get_case(case_id)

    def test_another_systems(self, support: SupportPort) -> None:
        with pytest.raises(ContractViolation):
            support.get_case("crm:7")

    def test_an_edit_is_another_claim_and_an_answer_is_not(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int
    ) -> None:
        """What an approval is bound to."""
        desk.request_credit(number, by=agent)
        asked = support.get_case(canonical(number)).claim()

        support.write_credit_outcome(outcome(number))
        answered = support.get_case(canonical(number)).claim()
        desk.enter(number, by=agent, ended_at="2026-11-01T13:00Z")
        edited = support.get_case(canonical(number)).claim()

        assert asked == answered != edited


class TestOutcomes:
    def test_a_case_that_was_told_nothing(self, support: SupportPort, number: int) -> None:
        assert support.read_credit_outcome(canonical(number)) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"amount": Money.of(1250, "JPY")},
            {"amount": Money.of("123456789012345.67", "EUR")},
            {"status": CreditStatus.NOT_ENTITLED, "amount": None, "documents": ()},
            {"status": CreditStatus.CHANGED, "amount": None, "documents": (), "reasons": ()},
        ],
    )
    def test_it_reads_back_to_the_cent(
        self, support: SupportPort, number: int, changes: dict[str, Any]
    ) -> None:
        told = outcome(number, **changes)

        assert support.write_credit_outcome(told) == told
        assert support.read_credit_outcome(canonical(number)) == in_fields(told)

    def test_the_request_is_answered_in_one_write_and_the_customer_told_nothing(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        number: int,
        sandbox: Sandbox,
        api: httpx.Client,
    ) -> None:
        desk.request_credit(number, by=agent)
        before = len([r for r in sandbox.requests if r.method == "PUT"])

        support.write_credit_outcome(outcome(number))

        assert len([r for r in sandbox.requests if r.method == "PUT"]) == before + 1
        assert support.get_case(canonical(number)).requested_by is None
        told = ("credit", "status", "amount", "transaction")
        assert [desk.entered(number)[name] for name in told] == [
            "interlock_credit_answered",
            "granted",
            "1250.50 USD",
            "zendesk-7-1793611810",
        ]
        assert desk.entered(number)["products"] == INCIDENT["products"]
        comments = api.get(f"/tickets/{number}/comments").json()["comments"]
        assert [comment["public"] for comment in comments] == [True, False]
        assert desk.notes(number) == [
            "Credit: granted\n"
            "1,250.50 USD, net of tax\n"
            "Credit notes: CN-1, CN-2\n"
            "November 2026: 99.71 % available.\n"
            "10 % of the fee is given back.\n"
            "Transaction: zendesk-7-1793611810"
        ]

    def test_the_last_one_stays(self, support: SupportPort, number: int) -> None:
        cancelled = outcome(number, status=CreditStatus.CANCELLED, amount=None, documents=())

        support.write_credit_outcome(outcome(number))
        support.write_credit_outcome(cancelled)

        assert support.read_credit_outcome(canonical(number)) == in_fields(cancelled)

    @pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.UNAVAILABLE_AFTER_WRITE])
    def test_found_after_its_answer_was_lost_whatever_agents_do_since(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        sandbox: Sandbox,
        number: int,
        kind: FaultKind,
    ) -> None:
        sandbox.fail(kind, method="PUT", path=f"/tickets/{number}$")
        with pytest.raises(OutcomeUnknown):
            support.write_credit_outcome(outcome(number))

        assert support.read_credit_outcome(canonical(number)) == in_fields(outcome(number))
        desk.edit(number, by=agent, status="pending", subject="Exports failed", tags=["vip"])
        desk.request_credit(number, by=agent)
        assert support.read_credit_outcome(canonical(number)) == in_fields(outcome(number))

    def test_what_was_not_applied_is_not_found(
        self, support: SupportPort, sandbox: Sandbox, number: int
    ) -> None:
        sandbox.fail(FaultKind.UNAVAILABLE, method="PUT", path=f"/tickets/{number}$")
        with pytest.raises(OutcomeUnknown):
            support.write_credit_outcome(outcome(number))

        assert support.read_credit_outcome(canonical(number)) is None

    @pytest.mark.parametrize(
        ("field", "text"), [("status", "yes"), ("amount", "12"), ("transaction", "")]
    )
    def test_what_people_wrote_over_it_is_none_of_ours(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        number: int,
        field: str,
        text: str,
    ) -> None:
        support.write_credit_outcome(outcome(number))
        desk.enter(number, by=agent, **{field: text})

        assert support.read_credit_outcome(canonical(number)) is None
        support.write_credit_outcome(outcome(number))
        assert support.read_credit_outcome(canonical(number)) == in_fields(outcome(number))

    def test_a_closed_case_cannot_be_told(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int
    ) -> None:
        desk.edit(number, by=agent, status="closed")

        with pytest.raises(BusinessRuleViolation, match=f"ticket {number} is closed"):
            support.write_credit_outcome(outcome(number))

    def test_a_solved_one_can(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int
    ) -> None:
        desk.edit(number, by=agent, status="solved")

        support.write_credit_outcome(outcome(number))

        assert support.get_case(canonical(number)).status == "solved"

    def test_nobodys_change_is_written_over(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        number: int,
        later: Later,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        account = desk.sandbox.account
        update = account.update_ticket

        def meanwhile(*given: Any, **named: Any) -> Any:
            monkeypatch.setattr(account, "update_ticket", update)
            later(timedelta(seconds=1))
            update(number, {"subject": "Mine"}, by=agent)
            return update(*given, **named)

        monkeypatch.setattr(account, "update_ticket", meanwhile)

        with pytest.raises(VendorUnavailable):
            support.write_credit_outcome(outcome(number))

        assert support.read_credit_outcome(canonical(number)) is None
        assert desk.notes(number) == []

    def test_fields_that_nobody_made(
        self, support: SupportPort, desk: SupportDesk, number: int
    ) -> None:
        amount = desk.fields["amount"]
        desk.sandbox.by_hand(lambda account: account.ticket_fields.pop(amount))

        with pytest.raises(ContractViolation, match="did not keep the outcome"):
            support.write_credit_outcome(outcome(number))

    def test_none_there(self, support: SupportPort) -> None:
        with pytest.raises(RecordNotFound):
            support.read_credit_outcome("zendesk:404")
        with pytest.raises(RecordNotFound):
            support.write_credit_outcome(outcome(404))


class TestUnanswered:
    def found(self, support: SupportPort, since: datetime = NOW, until: datetime = NOW) -> set[str]:
        cases = support.unanswered_requests(requested_after=since, requested_before=until)
        return {case.id for case in cases}

    def test_those_that_ask_and_were_not_told(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int
    ) -> None:
        asking = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")
        told = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")
        support.write_credit_outcome(outcome(told))
        closed = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")
        desk.edit(closed, by=agent, status="closed")

        assert self.found(support) == {canonical(asking)}

    def test_one_that_asks_again_after_it_was_told(
        self, support: SupportPort, desk: SupportDesk, agent: Person, number: int, later: Later
    ) -> None:
        desk.request_credit(number, by=agent)
        support.write_credit_outcome(outcome(number))
        later(timedelta(hours=1))
        desk.request_credit(number, by=agent)

        assert self.found(support) == set()
        hour = NOW + timedelta(hours=1)
        assert self.found(support, hour, hour) == {canonical(number)}

    @pytest.mark.parametrize(
        ("since", "until", "count"), [(0, 0, 1), (-60, -1, 0), (1, 60, 0), (-60, 60, 1)]
    )
    def test_both_ends_are_included(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        since: int,
        until: int,
        count: int,
    ) -> None:
        desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")

        ends = (NOW + timedelta(seconds=since), NOW + timedelta(seconds=until))

        assert len(self.found(support, *ends)) == count

    def test_more_than_a_page(self, support: SupportPort, desk: SupportDesk, agent: Person) -> None:
        for _ in range(101):
            desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")

        assert len(self.found(support)) == 101

    def test_one_that_the_search_finds_too_late(
        self,
        support: SupportPort,
        desk: SupportDesk,
        agent: Person,
        number: int,
    ) -> None:
        """It was deleted since, or does not ask any more."""
        desk.request_credit(number, by=agent)
        other = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")
        third = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")
        found = support.unanswered_requests(requested_after=NOW, requested_before=NOW)

        assert next(found).id == canonical(number)
        desk.sandbox.by_hand(lambda account: account.tickets.pop(other))
        desk.enter(third, by=agent, credit="")
        assert list(found) == []


@pytest.mark.parametrize("path", ["/tickets/", "/search/export"])
def test_throttled(
    support: SupportPort, desk: SupportDesk, agent: Person, sandbox: Sandbox, path: str
) -> None:
    number = desk.file(ACCOUNT, "Exports fail", by=agent, credit="requested")
    sandbox.fail(FaultKind.THROTTLE, path=path, retry_after=7, times=None)
    times = {"requested_after": NOW, "requested_before": NOW}
    searches = [lambda: list(support.unanswered_requests(**times))]
    reads = [
        lambda: support.get_case(canonical(number)),
        lambda: support.read_credit_outcome(canonical(number)),
        lambda: support.write_credit_outcome(outcome(number)),
    ]
    for call in searches if "search" in path else reads:
        with pytest.raises(VendorThrottled) as throttled:
            call()
        assert throttled.value.retry_after == 7
