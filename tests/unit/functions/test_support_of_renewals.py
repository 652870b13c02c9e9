"""The functions that a renewal uses of support and of the ERP: notices, entitlements, the view."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.contracts import Notice
from interlock.canonical.customer_view import OpenCases, Receivables
from interlock.canonical.services import Entitlement, Service, ServiceState
from interlock.crossref import CrossReferences, reference
from interlock.effects import EffectKey, Undone, ledger
from interlock.errors import OutcomeUnknown, RecordConflict

from tests.unit import samples
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module

SENT_AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
NOTICE = Notice(
    id=f"{samples.DEAL}@2027-03-01",
    account_id=samples.ACCOUNT,
    customer_name="Calder Robotics",
    customer_email="billing@calder.example",
    subject="Your contract goes on",
    body="For a year, unless you tell us otherwise.",
)
SERVICE = Service(
    account_id=samples.ACCOUNT,
    state=ServiceState.ACTIVE,
    entitlements=(Entitlement(sku="SEAT", quantity=Decimal(25)),),
)
SUSPENDED = SERVICE.model_copy(update={"state": ServiceState.SUSPENDED, "reason": "Overdue."})
OWED = Receivables(
    owed=(Money.of("108.25", "USD"),), overdue=(Money.of("8.25", "USD"),), overdue_since=date.min
)

Run = Callable[..., dict[str, Any]]


class Support:
    """A support system with one customer, or none that it knows."""

    def __init__(self, *, knows: bool = True) -> None:
        self.knows = knows
        self.notices: dict[str, Notice] = {}
        self.withdrawn: list[str] = []
        self.keys: list[str] = []
        self.service: Service | None = None
        self.shown: list[Service] = []
        self.loses_answer = False

    def get_open_cases(self, account_id: str) -> OpenCases:
        """Of that account alone."""
        assert account_id == samples.ACCOUNT
        return OpenCases(open=3, severe=("17",))

    def get_notice(self, remote_id: str) -> Notice:
        """As it was sent."""
        return self.notices[remote_id]

    def find_notice(self, notice_id: str) -> Notice | None:
        """The one that was not withdrawn."""
        holding = [each for key, each in self.notices.items() if key not in self.withdrawn]
        return next((each for each in holding if each.id == notice_id), None)

    def send_notice(self, notice: Notice, *, idempotency_key: str) -> Notice:
        """Sent, though the answer may be lost."""
        self.keys.append(idempotency_key)
        remote_id = str(len(self.notices) + 1)
        sent = notice.model_copy(update={"remote_id": remote_id, "sent_at": SENT_AT})
        self.notices[remote_id] = sent
        self._answer()
        return sent

    def withdraw_notice(self, remote_id: str) -> Notice:
        """Done before, it is left as it is."""
        if remote_id not in self.withdrawn:
            self.withdrawn.append(remote_id)
        return self.notices[remote_id]

    def read_service(self, account_id: str) -> Service | None:
        """As it was shown last."""
        assert account_id == samples.ACCOUNT
        return self.service

    def write_service(self, service: Service) -> Service | None:
        """Applied, though the answer may be lost."""
        self.shown.append(service)
        if not self.knows:
            return None
        self.service = service
        self._answer()
        return service

    def _answer(self) -> None:
        if self.loses_answer:
            self.loses_answer = False
            raise OutcomeUnknown("no answer")


class Erp:
    """Books in which one customer has debts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, date]] = []

    def get_receivables(self, customer_remote_id: str, *, today: date) -> Receivables:
        """Of whom is asked for."""
        self.asked.append((customer_remote_id, today))
        return OWED


@pytest.fixture
def run(cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any) -> Run:
    """Calls a function, which is connected to a system."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})

    def run(name: str, system: Any, *, told: dict[str, Any] | None = None, **fields: Any) -> Any:
        connect(monkeypatch, name.split("/")[0], system)
        command = samples.command("T1", **(told or {})).model_dump(mode="json")
        return module(name).handler(command | fields, context)

    return run


def send(run: Run, support: Support, notice: Notice = NOTICE, **told: Any) -> Notice:
    """Send a notice."""
    content = notice.model_dump(mode="json")
    return Notice.model_validate(run("support/send_notice", support, told=told, notice=content))


def withdraw(run: Run, support: Support, **told: Any) -> Any:
    """Take the notice back."""
    return run("support/withdraw_notice", support, told=told, notice_id=NOTICE.id)


def show(run: Run, support: Support, service: Service = SERVICE, round: int = 0) -> Service:
    """Show what the customer is entitled to."""
    content = service.model_dump(mode="json")
    answer = run("support/show_service", support, service=content, round=round)
    return Service.model_validate(answer)


class TestNotices:
    def test_sent_once(self, run: Run) -> None:
        support = Support()

        first, again = send(run, support), send(run, support)

        assert first == NOTICE.model_copy(update={"remote_id": "1", "sent_at": SENT_AT})
        assert again == first
        assert len(support.notices) == 1
        crossref = CrossReferences.load()
        assert crossref.get(reference("notice", NOTICE.id), "vendor") == "1"

    def test_a_lost_answer_is_looked_up(self, run: Run) -> None:
        support = Support()
        support.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            send(run, support)

        assert send(run, support).remote_id == "1"
        assert len(support.notices) == 1

    def test_a_term_has_one_notice(self, run: Run) -> None:
        support = Support()
        send(run, support)

        with pytest.raises(RecordConflict):
            send(run, support, NOTICE.model_copy(update={"body": "At another price."}))

    def test_one_that_a_team_sent_is_linked(self, run: Run) -> None:
        support = Support()
        by_hand = NOTICE.model_copy(update={"remote_id": "9", "sent_at": SENT_AT})
        support.notices["9"] = by_hand

        linked = send(run, support, action="link", remote_id="9", record=NOTICE.id)

        assert linked == by_hand
        assert list(support.notices) == ["9"]

    def test_a_dry_run_sends_none(self, run: Run) -> None:
        support = Support()

        send(run, support, dry_run="D1")

        assert support.notices == {}

    def test_withdrawn_once_and_sent_anew(self, run: Run) -> None:
        support = Support()
        send(run, support)

        assert Undone.model_validate(withdraw(run, support)).remote_id == "1"
        assert Undone.model_validate(withdraw(run, support)).remote_id is None
        assert support.withdrawn == ["1"]

        assert send(run, support).remote_id == "2"
        assert len(set(support.keys)) == 2

    def test_nothing_to_withdraw(self, run: Run) -> None:
        support = Support()

        assert Undone.model_validate(withdraw(run, support)).remote_id is None
        assert support.withdrawn == []

    def test_one_whose_answer_was_lost_is_withdrawn_too(self, run: Run) -> None:
        support = Support()
        support.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            send(run, support)

        withdraw(run, support)

        assert support.withdrawn == ["1"]


class TestServices:
    def test_shown_once_a_round(self, run: Run) -> None:
        support = Support()

        assert show(run, support) == show(run, support) == SERVICE
        show(run, support, SUSPENDED, round=1)
        show(run, support, round=2)

        assert support.shown == [SERVICE, SUSPENDED, SERVICE]

    def test_what_is_there_already_is_not_written(self, run: Run) -> None:
        support = Support()
        support.service = SERVICE

        assert show(run, support) == SERVICE
        assert support.shown == []

    def test_a_lost_answer_is_looked_up(self, run: Run) -> None:
        support = Support()
        support.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            show(run, support)

        assert show(run, support) == SERVICE
        assert support.shown == [SERVICE]

    def test_a_customer_that_support_does_not_know(self, run: Run) -> None:
        support = Support(knows=False)

        assert show(run, support) == show(run, support) == SERVICE

        assert support.shown == [SERVICE]
        key = EffectKey("vendor", "show_service", f"{samples.ACCOUNT}/T1/0")
        assert ledger()._read(key)["state"] == "DONE"


class TestTheView:
    def test_open_cases(self, run: Run) -> None:
        answer = run("support/get_open_cases", Support(), account_id=samples.ACCOUNT)

        assert OpenCases.model_validate(answer) == OpenCases(open=3, severe=("17",))

    def test_what_a_customer_of_the_erp_owes_today(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Clock(datetime):
            """It is tomorrow already, east of Greenwich."""

            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                """The time now."""
                return datetime(2026, 11, 24, 23, 59, tzinfo=UTC).astimezone(tz)

        monkeypatch.setattr(module("erp/get_receivables"), "datetime", Clock)
        CrossReferences.load().link(reference("customer", samples.ACCOUNT), "vendor", "7")
        erp = Erp()

        answer = run("erp/get_receivables", erp, account_id=samples.ACCOUNT)

        assert Receivables.model_validate(answer) == OWED
        assert erp.asked == [("7", date(2026, 11, 24))]

    def test_who_is_no_customer_yet_owes_nothing(self, run: Run) -> None:
        erp = Erp()

        answer = run("erp/get_receivables", erp, account_id=samples.ACCOUNT)

        assert Receivables.model_validate(answer) == Receivables(
            owed=(), overdue=(), overdue_since=None
        )
        assert erp.asked == []
