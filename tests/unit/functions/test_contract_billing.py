"""The functions that let billing charge a contract, and that ask what it charges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.contracts import BilledContract, Contract
from interlock.canonical.customer_view import RecurringRevenue
from interlock.crossref import CrossReferences, reference
from interlock.effects import EffectKey, ledger
from interlock.errors import NotYetPosted, OutcomeUnknown, RecordConflict, RecordNotFound

from tests.contracts.billing.contract_samples import PLATFORM, RENEWED, SEATS, contract
from tests.unit import finance_samples, samples
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module

SIGNED = contract()
RENEWAL = contract(PLATFORM, SEATS, *RENEWED, revision=2)
REVENUE = RecurringRevenue(
    subscriptions=1, yearly=(Money.of("18000", "USD"),), credit_balance=(Money.of("30", "USD"),)
)

Call = Callable[..., dict[str, Any]]


class System:
    """A billing system with one subscription, whose answers may be lost."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.keys: list[str] = []
        self.loses_answer = False
        self.charged = SIGNED

    def get_billed_contract(self, remote_id: str) -> BilledContract:
        """As it is charged now."""
        assert remote_id == "sub_1"
        return BilledContract(
            id=self.charged.id,
            revision=self.charged.revision,
            ends=False,
            phases=self.charged.phases,
            remote_id="sub_1",
            status="active",
        )

    def amend_subscription(
        self, contract: Contract, *, remote_id: str, idempotency_key: str
    ) -> BilledContract:
        """Applied, though the answer may be lost; an earlier revision is not."""
        self.told.append(contract.revision)
        self.keys.append(idempotency_key)
        if contract.revision > self.charged.revision:
            self.charged = contract
        if self.loses_answer:
            self.loses_answer = False
            raise OutcomeUnknown("no answer")
        return self.get_billed_contract(remote_id)

    def get_recurring_revenue(self, customer_remote_id: str) -> RecurringRevenue:
        """Of the one customer."""
        assert customer_remote_id == "cus_1"
        return REVENUE

    def get_final_invoice(self, remote_id: str) -> Any:
        """It has ended."""
        assert remote_id == "sub_1"
        return finance_samples.invoice()


@pytest.fixture
def system(cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch) -> System:
    """It is connected, and has the contract's subscription and its customer."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})
    system = System()
    connect(monkeypatch, "billing", system)
    known = CrossReferences.load()
    known.link(reference("subscription", SIGNED.id), "vendor", "sub_1")
    known.link(reference("customer", SIGNED.bill_to), "vendor", "cus_1")
    return system


@pytest.fixture
def call(context: Any) -> Call:
    """Calls a function, for a transaction."""

    def invoke(name: str, transaction: str = "T1", **content: Any) -> dict[str, Any]:
        decision = content.pop("decision", {})
        command = samples.command(transaction, **decision).model_dump(mode="json") | content
        return module(f"billing/{name}").handler(command, context)

    return invoke


@pytest.fixture
def amend(call: Call, system: System) -> Callable[..., BilledContract]:
    """Tells billing a revision of the contract."""

    def tell(changed: Contract, transaction: str = "T1", **content: Any) -> BilledContract:
        told = changed.model_dump(mode="json")
        answer = call("amend_subscription", transaction, contract=told, **content)
        return BilledContract.model_validate(answer)

    return tell


class TestAmend:
    def test_once_for_each_revision(self, system: System, amend: Any) -> None:
        first, again = amend(RENEWAL), amend(RENEWAL, "T2")

        assert first == again
        assert first.phases == RENEWAL.phases
        assert system.told == [2]
        amend(contract(revision=3), "T3")
        assert system.told == [2, 3]
        assert system.charged.phases == SIGNED.phases
        assert len(set(system.keys)) == 2

    def test_the_contract_owns_what_is_charged(self, amend: Any) -> None:
        amend(RENEWAL)

        row = ledger()._read(EffectKey("vendor", "amend_subscription", f"{SIGNED.id}/2"))
        assert (row["state"], row["entity"]) == ("DONE", "billed_contract")
        known = CrossReferences.load()
        assert known.get(reference("subscription", SIGNED.id), "vendor") == "sub_1"

    def test_the_same_revision_with_another_content(self, amend: Any) -> None:
        amend(RENEWAL)

        with pytest.raises(RecordConflict):
            amend(contract(revision=2))

    def test_a_lost_answer_is_looked_up(self, system: System, amend: Any) -> None:
        system.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            amend(RENEWAL)

        assert amend(RENEWAL).revision == 2
        assert system.told == [2]

    def test_one_that_failed_is_told_again(
        self, system: System, amend: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lose(*_: Any, **__: Any) -> None:
            raise OutcomeUnknown("no answer")

        with monkeypatch.context() as broken:
            broken.setattr(system, "amend_subscription", lose)
            with pytest.raises(OutcomeUnknown):
                amend(RENEWAL)

        assert amend(RENEWAL).revision == 2
        assert system.told == [2]

    def test_one_that_is_overtaken_changes_nothing(self, system: System, amend: Any) -> None:
        amend(contract(revision=3))

        assert amend(RENEWAL).revision == 3
        assert system.charged.revision == 3

    def test_done_by_hand(self, system: System, amend: Any) -> None:
        system.charged = RENEWAL
        link = {"action": "link", "remote_id": "sub_1", "record": f"{SIGNED.id}/2"}

        assert amend(RENEWAL, decision=link).revision == 2
        assert system.told == []

    def test_in_a_dry_run_it_is_planned(self, system: System, amend: Any, call: Call) -> None:
        planned = call("amend_subscription", dry_run="D1", contract=RENEWAL.model_dump(mode="json"))

        assert planned["revision"] == 2
        assert system.told == []

    def test_of_a_contract_without_a_subscription(self, amend: Any) -> None:
        with pytest.raises(RecordNotFound, match="is not in vendor yet"):
            amend(contract(id="crm:other"))


class TestRevenue:
    def test_of_a_customer(self, system: System, call: Call) -> None:
        answer = call("get_recurring_revenue", account_id=SIGNED.bill_to)

        assert RecurringRevenue.model_validate(answer) == REVENUE

    def test_of_nobody(self, system: System, call: Call) -> None:
        answer = call("get_recurring_revenue", account_id="crm:nobody")

        assert answer == {"subscriptions": 0, "yearly": [], "credit_balance": [], "usage": []}


class TestFinalInvoice:
    def test_once_it_has_ended(self, system: System, call: Call) -> None:
        answer = call("get_final_invoice", contract_id=SIGNED.id)

        assert answer["invoice"] == finance_samples.invoice().model_dump(mode="json")

    def test_of_one_that_never_had_one(
        self, system: System, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(system, "get_final_invoice", lambda _: None)

        assert call("get_final_invoice", contract_id=SIGNED.id) == {"invoice": None}

    def test_before_that(self, system: System, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        def waits(_: str) -> None:
            raise NotYetPosted("has not ended")

        monkeypatch.setattr(system, "get_final_invoice", waits)

        with pytest.raises(NotYetPosted):
            call("get_final_invoice", contract_id=SIGNED.id)
