"""The functions that keep a renewal's deal in the CRM, and show sales what a customer has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.contracts import (
    Contract,
    Quoted,
    QuotedDeal,
    RenewalDeal,
    RenewalQuote,
)
from interlock.canonical.customer_view import Relationship
from interlock.canonical.records import RenewalTerms
from interlock.canonical.services import Entitlement, Service, ServiceState
from interlock.effects import EffectKey, ledger
from interlock.errors import BusinessRuleViolation, OutcomeUnknown, RecordConflict, RecordNotFound

from tests.unit import samples
from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module

CONTRACT = Contract(
    id=samples.DEAL,
    account_id=samples.ACCOUNT,
    customer_name="Calder Robotics",
    bill_to=samples.ACCOUNT,
    subsidiary="TESSALINE-US",
    currency="USD",
    payment_terms="NET30",
    payment_days=30,
    starts_on=date(2026, 12, 1),
    ends_on=date(2027, 12, 1),
    renewal=RenewalTerms(auto_renews=True, notice_days=90, renewal_months=24),
    lines=(),
)
RENEWAL = RenewalDeal(
    id=f"{samples.DEAL}@2027-12-01",
    contract_id=samples.DEAL,
    account_id=samples.ACCOUNT,
    name="Calder Robotics renewal 2027-12-01",
    currency="USD",
    subsidiary="TESSALINE-US",
    payment_terms="NET30",
    starts_on=date(2027, 12, 1),
    term_months=24,
)
QUOTED = QuotedDeal(
    deal_id="salesforce:006R1",
    quote=RenewalQuote(
        contract_id=samples.DEAL,
        revision=1,
        starts_on=date(2027, 12, 1),
        ends_on=date(2029, 12, 1),
        lines=(),
        by_terms=Money.of("100.00", "USD"),
        total=Money.of("95.00", "USD"),
        discount=Decimal(5),
        working=("100.00 USD less 5 percent.",),
    ),
    summary="Nothing is due.",
)
SERVICE = Service(
    account_id=samples.ACCOUNT,
    state=ServiceState.ACTIVE,
    entitlements=(Entitlement(sku="SEAT", quantity=Decimal(25)),),
)

Run = Callable[..., dict[str, Any]]


class Crm:
    """A CRM with the deals of renewals by their id there, quotes, and one account."""

    def __init__(self) -> None:
        self.deals: dict[str, RenewalDeal] = {}
        self.lost: list[str] = []
        self.offers: dict[str, str] = {}
        self.service: Service | None = None
        self.writes: list[str] = []
        self.loses_answer = False
        self.refuses = False

    def sold_by_sales(self, remote_id: str = "006S1") -> RenewalDeal:
        """A deal that sales make for the renewal."""
        deal_id = f"salesforce:{remote_id}"
        named = {"id": deal_id, "deal_id": deal_id, "remote_id": remote_id, "name": "By sales"}
        self.deals[remote_id] = RENEWAL.model_copy(update=named)
        return self.deals[remote_id]

    def get_renewal(self, remote_id: str) -> RenewalDeal:
        """One of them."""
        if remote_id not in self.deals:
            raise RecordNotFound("there is none")
        return self.deals[remote_id]

    def find_renewal(self, renewal_id: str, *, contract_id: str) -> RenewalDeal | None:
        """The one with the id, or else one of sales."""
        assert contract_id == samples.DEAL
        ours = [deal for deal in self.deals.values() if deal.id == renewal_id]
        theirs = [deal for deal in self.deals.values() if deal.id == deal.deal_id]
        return next(iter([*ours, *theirs]), None)

    def open_renewal(self, renewal: RenewalDeal) -> RenewalDeal:
        """Another one, unless there is one to take."""
        self._written("open_renewal")
        found = self.find_renewal(renewal.id, contract_id=renewal.contract_id)
        remote_id = found.remote_id if found else f"006R{len(self.deals) + 1}"
        named = {"id": renewal.id, "remote_id": remote_id, "deal_id": f"salesforce:{remote_id}"}
        self.deals[str(remote_id)] = (found or renewal).model_copy(update=named)
        self._lose_answer()
        return self.deals[str(remote_id)]

    def close_renewal(self, remote_id: str) -> None:
        """It is gone, as far as a renewal is concerned."""
        self._written("close_renewal")
        if self.deals.pop(remote_id, None) is None:
            raise RecordNotFound("there is none")
        self.lost.append(remote_id)
        self._lose_answer()

    def read_quote(self, deal_id: str) -> Quoted:
        """What it offers."""
        return Quoted(deal_id=deal_id, offer=self.offers.get(deal_id))

    def quote_renewal(self, quoted: QuotedDeal) -> Quoted:
        """It offers this from now on."""
        self._written("quote_renewal")
        if self.refuses:
            raise BusinessRuleViolation(["the deal is closed"])
        self.offers[quoted.deal_id] = quoted.quote.offer()
        self._lose_answer()
        return quoted.told

    def get_relationship(self, account_id: str) -> Relationship:
        """The account's."""
        assert account_id == samples.ACCOUNT
        return Relationship(owner="seller@tessaline.example", open_deals=("Renewal",))

    def read_service(self, account_id: str) -> Service | None:
        """What is shown now."""
        assert account_id == samples.ACCOUNT
        return self.service

    def write_service(self, service: Service) -> Service:
        """It is shown from now on."""
        self._written("write_service")
        self.service = service
        self._lose_answer()
        return service

    def _written(self, what: str) -> None:
        self.writes.append(what)

    def _lose_answer(self) -> None:
        if self.loses_answer:
            self.loses_answer = False
            raise OutcomeUnknown("no answer")


@pytest.fixture
def crm() -> Crm:
    return Crm()


@pytest.fixture
def run(
    crm: Crm, cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch, context: Any
) -> Run:
    """Calls a function that is connected to the CRM: `run("open_renewal", contract=…)`."""
    forget()
    tables = {"EFFECTS_TABLE": "EffectsTable", "CROSSREF_TABLE": "CrossReferencesTable"}
    environment(**{name: cloud.table(table) for name, table in tables.items()})
    connect(monkeypatch, "crm", crm)

    def run(
        name: str, transaction: str = "T1", told: dict[str, Any] | None = None, **fields: Any
    ) -> dict[str, Any]:
        command = samples.command(transaction, **(told or {})).model_dump(mode="json")
        plain = {
            name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
            for name, value in fields.items()
        }
        return module(f"crm/{name}").handler(command | plain, context)

    return run


def state(operation: str, record: str) -> str | None:
    """How the ledger has an effect."""
    row = ledger()._read(EffectKey("vendor", operation, record))
    return row and row["state"]


class TestOpenRenewal:
    def test_a_deal_is_opened_once_for_a_term(self, run: Run, crm: Crm) -> None:
        first, again = (run("open_renewal", contract=CONTRACT) for _ in range(2))

        deal = RenewalDeal.model_validate(first)
        assert deal.model_copy(update={"remote_id": None, "deal_id": None}) == RENEWAL
        assert deal.deal_id == "salesforce:006R1"
        assert again == first
        assert crm.writes == ["open_renewal"]
        assert state("open_renewal", RENEWAL.id) == "DONE"

    def test_a_contract_that_changed_meanwhile_has_the_same_deal(self, run: Run, crm: Crm) -> None:
        first = run("open_renewal", contract=CONTRACT)
        terms = CONTRACT.renewal.model_copy(update={"renewal_months": 12})
        changed = CONTRACT.model_copy(update={"customer_name": "Calder AG", "renewal": terms})

        assert run("open_renewal", contract=changed) == first
        assert crm.writes == ["open_renewal"]

    def test_the_next_term_has_another_one(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)
        later = CONTRACT.model_copy(update={"ends_on": date(2029, 12, 1)})

        assert run("open_renewal", "T2", contract=later)["remote_id"] == "006R2"

    def test_what_sales_changed_on_it_is_told(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)
        crm.deals["006R1"] = crm.deals["006R1"].model_copy(update={"name": "Renamed"})

        assert run("open_renewal", contract=CONTRACT)["name"] == "Renamed"

    def test_a_lost_answer_is_looked_up(self, run: Run, crm: Crm) -> None:
        crm.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            run("open_renewal", contract=CONTRACT)

        run("open_renewal", contract=CONTRACT)

        assert crm.writes == ["open_renewal"]
        assert state("open_renewal", RENEWAL.id) == "DONE"

    def test_one_that_sales_made_is_taken_once(self, run: Run, crm: Crm) -> None:
        crm.sold_by_sales()

        first, again = (run("open_renewal", contract=CONTRACT) for _ in range(2))

        assert (first["id"], first["remote_id"], first["name"]) == (RENEWAL.id, "006S1", "By sales")
        assert again == first
        assert crm.writes == ["open_renewal"]
        assert state("open_renewal", f"{RENEWAL.id}/006S1") == "DONE"
        assert state("open_renewal", RENEWAL.id) is None

    def test_a_lost_answer_to_taking_it(self, run: Run, crm: Crm) -> None:
        crm.sold_by_sales()
        crm.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            run("open_renewal", contract=CONTRACT)

        assert run("open_renewal", contract=CONTRACT)["id"] == RENEWAL.id
        assert crm.writes == ["open_renewal"]

    def test_a_team_links_a_deal(self, run: Run, crm: Crm) -> None:
        linked = crm.sold_by_sales("006S2")
        link = {"action": "link", "remote_id": "006S2", "record": RENEWAL.id}

        answer = run("open_renewal", told=link, contract=CONTRACT)

        assert RenewalDeal.model_validate(answer) == linked
        assert crm.writes == []

    @pytest.mark.parametrize("by_sales", [False, True])
    def test_a_dry_run_writes_nothing(self, run: Run, crm: Crm, by_sales: bool) -> None:
        if by_sales:
            crm.sold_by_sales()

        answer = run("open_renewal", told={"dry_run": "D1"}, contract=CONTRACT)

        assert answer["deal_id"] == ("salesforce:006S1" if by_sales else None)
        assert crm.writes == []


class TestCloseRenewal:
    def close(self, run: Run, transaction: str = "T1", **told: Any) -> Any:
        """Take back what the transaction opened."""
        fields = {"contract_id": samples.DEAL, "renewal_id": RENEWAL.id}
        return run("close_renewal", transaction, told, **fields)["remote_id"]

    def test_what_the_run_opened_is_closed_once(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)

        assert [self.close(run), self.close(run)] == ["006R1", None]
        assert crm.lost == ["006R1"]

    def test_and_the_term_may_have_another_one(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)
        self.close(run)

        run("open_renewal", "T2", contract=CONTRACT)

        assert crm.find_renewal(RENEWAL.id, contract_id=samples.DEAL)
        assert crm.writes == ["open_renewal", "close_renewal", "open_renewal"]

    def test_what_sales_made_is_theirs(self, run: Run, crm: Crm) -> None:
        crm.sold_by_sales()
        run("open_renewal", contract=CONTRACT)

        assert self.close(run) is None
        assert crm.lost == []

    def test_another_transactions_is_left(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)

        assert self.close(run, "T2") is None
        assert crm.lost == []

    def test_one_whose_opening_was_never_recorded(self, run: Run, crm: Crm) -> None:
        crm.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            run("open_renewal", contract=CONTRACT)

        assert self.close(run) == "006R1"

    def test_one_that_was_deleted_meanwhile(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)
        crm.deals.clear()

        assert self.close(run) == "006R1"
        assert state("open_renewal", RENEWAL.id) == "UNDONE"

    def test_a_team_leaves_it_there(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)

        assert self.close(run, action="skip") is None
        assert (crm.lost, state("open_renewal", RENEWAL.id)) == ([], "LEFT")
        assert run("open_renewal", "T2", contract=CONTRACT)["remote_id"] == "006R1"

    def test_a_dry_run_closes_nothing(self, run: Run, crm: Crm) -> None:
        run("open_renewal", contract=CONTRACT)

        assert self.close(run, dry_run="D1") == "006R1"
        assert crm.lost == []


class TestQuoteRenewal:
    def test_an_offer_is_written_once_a_round(self, run: Run, crm: Crm) -> None:
        first, again = (run("quote_renewal", quoted=QUOTED, round=0) for _ in range(2))

        assert first == again == QUOTED.told.model_dump(mode="json")
        assert first["offer"] == QUOTED.quote.offer()
        assert crm.writes == ["quote_renewal"]

    def test_another_round_offers_what_it_is_told(self, run: Run, crm: Crm) -> None:
        other = QUOTED.model_copy(
            update={"quote": QUOTED.quote.model_copy(update={"total": Money.of(90, "USD")})}
        )
        for number, quoted in enumerate((QUOTED, other, other, QUOTED)):
            run("quote_renewal", quoted=quoted, round=number)
            assert crm.offers[QUOTED.deal_id] == quoted.quote.offer()

        assert len(crm.writes) == 3

    def test_how_it_is_explained_makes_no_other_offer(self, run: Run, crm: Crm) -> None:
        run("quote_renewal", quoted=QUOTED, round=0)

        run("quote_renewal", quoted=QUOTED.model_copy(update={"summary": "Longer."}), round=0)

        assert crm.writes == ["quote_renewal"]

    def test_a_round_has_one_offer(self, run: Run, crm: Crm) -> None:
        run("quote_renewal", quoted=QUOTED, round=0)
        other = QUOTED.quote.model_copy(update={"discount": Decimal(6)})

        with pytest.raises(RecordConflict):
            run("quote_renewal", quoted=QUOTED.model_copy(update={"quote": other}), round=0)

    def test_a_lost_answer_is_looked_up(self, run: Run, crm: Crm) -> None:
        crm.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            run("quote_renewal", quoted=QUOTED, round=0)

        run("quote_renewal", quoted=QUOTED, round=0)

        assert crm.writes == ["quote_renewal"]

    def test_a_refusal_is_told_and_may_be_tried_again(self, run: Run, crm: Crm) -> None:
        crm.refuses = True
        with pytest.raises(BusinessRuleViolation, match="closed"):
            run("quote_renewal", quoted=QUOTED, round=0)
        crm.refuses = False

        run("quote_renewal", quoted=QUOTED, round=0)

        assert crm.offers == {QUOTED.deal_id: QUOTED.quote.offer()}

    def test_a_dry_run_offers_nothing(self, run: Run, crm: Crm) -> None:
        answer = run("quote_renewal", told={"dry_run": "D1"}, quoted=QUOTED, round=0)

        assert answer["offer"] == QUOTED.quote.offer()
        assert crm.writes == []


class TestShowService:
    def test_it_is_written_once_a_round(self, run: Run, crm: Crm) -> None:
        first, again = (run("show_service", service=SERVICE, round=0) for _ in range(2))

        assert Service.model_validate(first) == crm.service == SERVICE
        assert again == first
        assert crm.writes == ["write_service"]

    def test_each_round_shows_what_it_is_told(self, run: Run, crm: Crm) -> None:
        ended = SERVICE.model_copy(update={"state": ServiceState.ENDED})
        for number, service in enumerate((SERVICE, ended, ended, SERVICE)):
            run("show_service", service=service, round=number)
            assert crm.service == service

        assert len(crm.writes) == 3

    def test_a_lost_answer_is_looked_up(self, run: Run, crm: Crm) -> None:
        crm.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            run("show_service", service=SERVICE, round=0)

        run("show_service", service=SERVICE, round=0)

        assert crm.writes == ["write_service"]

    def test_a_dry_run_shows_nothing(self, run: Run, crm: Crm) -> None:
        run("show_service", told={"dry_run": "D1"}, service=SERVICE, round=0)

        assert crm.writes == []


def test_what_sales_know_is_read_and_not_written(run: Run, crm: Crm) -> None:
    answer = run("get_relationship", account_id=samples.ACCOUNT)

    assert answer == {"owner": "seller@tessaline.example", "open_deals": ["Renewal"]}
    assert crm.writes == []
