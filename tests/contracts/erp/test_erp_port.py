"""What every ERP behind the port must do, on a running one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from interlock.canonical import Address, Line, LineKind, Money, Order, UnitPrice
from interlock.connectors.erp.port import CustomerCriteria, OrderContextQuery
from interlock.errors import (
    BusinessRuleViolation,
    CredentialsRejected,
    OutcomeUnknown,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
    VendorUnavailable,
)

from tests.contracts.erp.accounts import account, new_id

SUBSIDIARIES = ("TESSALINE-US", "TESSALINE-DE", "TESSALINE-JP")
US = "TESSALINE-US"


def line(number: int, sku: str, kind: LineKind, quantity: str, price: str, currency: str) -> Line:
    unit_price = UnitPrice.of(price, currency)
    return Line(
        number=number,
        sku=sku,
        description=f"{sku} as sold",
        kind=kind,
        quantity=Decimal(quantity),
        unit_price=unit_price,
        amount=unit_price.times(Decimal(quantity)),
    )


def order(subsidiary: str = US, currency: str = "USD", **changes) -> Order:
    lines = (
        line(1, "PLATFORM-ANNUAL", LineKind.RECURRING, "1", "24000", currency),
        line(2, "SEAT-ANNUAL", LineKind.RECURRING, "25", "480", currency),
        line(3, "PS-IMPLEMENT", LineKind.SERVICE, "2.5", "1600", currency),
    )
    values = {
        "id": new_id(),
        "bill_to": "crm:account",
        "subsidiary": subsidiary,
        "currency": currency,
        "payment_terms": "NET30",
        "payment_days": 30,
        "start_date": date(2026, 12, 1),
        "term_months": 12,
        "lines": lines,
        "net": Money.total((line.amount for line in lines), currency),
    }
    return Order(**values | changes)


def context_query(subsidiary: str = US, **changes) -> OrderContextQuery:
    values = {
        "subsidiary": subsidiary,
        "currency": "USD",
        "skus": ("PLATFORM-ANNUAL", "SEAT-ANNUAL", "PS-IMPLEMENT"),
        "payment_terms": "NET30",
        "posting_date": date(2026, 11, 23),
        "account_id": new_id(),
        "country": "US",
    }
    return OrderContextQuery(**values | changes)


class TestOrderContext:
    @pytest.mark.parametrize("code", SUBSIDIARIES)
    def test_knows_subsidiary_products_terms_and_period(self, erp, code):
        (subsidiary,) = (s for s in erp.subsidiaries if s.code == code)
        context = erp.port.get_order_context(context_query(code), customer_remote_id=None)
        assert context.subsidiary_currency == subsidiary.currency
        assert set(context.subsidiaries) == set(SUBSIDIARIES)
        assert set(context.sellable_skus) == {"PLATFORM-ANNUAL", "SEAT-ANNUAL", "PS-IMPLEMENT"}
        assert context.taxed_skus == context.sellable_skus
        assert context.payment_days == 30
        assert context.period_open
        assert context.credit_hold is None

    def test_months_are_as_many_days_as_they_may_have(self, erp):
        name = erp.enter_payment_terms([{"days": 14}], [{"months": 1}, {"weeks": 1}])
        query = context_query(payment_terms=name)
        assert erp.port.get_order_context(query, customer_remote_id=None).payment_days == 38

    def test_terms_that_are_no_number_of_days_are_said(self, erp):
        name = erp.enter_payment_terms([{"months": 1, "day": 31}])
        with pytest.raises(BusinessRuleViolation, match=f"{name}.*certain day"):
            erp.port.get_order_context(context_query(payment_terms=name), customer_remote_id=None)

    def test_tells_what_it_does_not_know(self, erp):
        query = context_query("ELSEWHERE", skus=("SEAT-ANNUAL", "GADGET"), payment_terms="NET999")
        context = erp.port.get_order_context(query, customer_remote_id=None)
        assert context.subsidiary_currency is None
        assert context.sellable_skus == ("SEAT-ANNUAL",)
        assert context.taxed_skus == ()
        assert context.payment_days is None
        assert not context.period_open

    def test_a_closed_period_is_not_open(self, erp):
        day = date(2027, 9, 15)
        query = context_query("TESSALINE-JP", posting_date=day)
        assert erp.port.get_order_context(query, customer_remote_id=None).period_open
        erp.close_period(day, "TESSALINE-JP")
        assert not erp.port.get_order_context(query, customer_remote_id=None).period_open

    def test_a_day_outside_all_fiscal_years_is_not_open(self, erp):
        query = context_query(posting_date=date(2031, 1, 1))
        assert not erp.port.get_order_context(query, customer_remote_id=None).period_open

    def test_a_used_up_credit_limit_is_a_hold_in_that_subsidiary(self, erp, customer):
        erp.set_credit_limit(customer, "0", US)
        held = erp.port.get_order_context(context_query(), customer_remote_id=customer)
        assert "credit hold" in held.credit_hold
        elsewhere = context_query("TESSALINE-DE")
        assert (
            erp.port.get_order_context(elsewhere, customer_remote_id=customer).credit_hold is None
        )


class TestCustomers:
    def test_is_created_found_and_read(self, erp):
        wanted = account(tax_id=erp.tax_ids["US"])
        created = erp.port.create_customer(wanted, parent_remote_id=None)
        assert created.id == wanted.id
        assert created.name == wanted.name
        assert created.domain == wanted.domain
        assert created.tax_id == wanted.tax_id
        assert created.active
        assert created.references["tryton"] == created.remote_id
        assert erp.port.find_customer(wanted.id) == created
        assert erp.port.get_customer(created.remote_id) == created
        (address,) = erp.addresses(created.remote_id)
        assert "500 Congress Ave" in address
        assert "AUSTIN, TX" in address.upper()

    @pytest.mark.parametrize("country", ["DE", "JP"])
    def test_takes_the_tax_ids_of_other_countries(self, erp, country):
        wanted = account(tax_id=erp.tax_ids[country], billing_address=Address(country=country))
        created = erp.port.create_customer(wanted, parent_remote_id=None)
        criteria = CustomerCriteria(account_id=new_id(), tax_id=wanted.tax_id, domain=None)
        found = erp.port.find_customer_candidates(criteria)
        assert created.remote_id in {candidate.remote_id for candidate in found}

    def test_without_an_address_it_can_still_order(self, erp):
        bare = account(billing_address=None, domain=None, email=None)
        created = erp.port.create_customer(bare, parent_remote_id=None)
        assert erp.port.create_order(order(), customer_remote_id=created.remote_id).number

    def test_has_its_parent(self, erp):
        parent = erp.port.create_customer(account(), parent_remote_id=None)
        child = erp.port.create_customer(account(), parent_remote_id=parent.remote_id)
        assert erp.parents(child.remote_id) == [parent.remote_id]
        assert erp.parents(parent.remote_id) == []

    def test_is_absent_until_created(self, erp):
        assert erp.port.find_customer(new_id()) is None
        with pytest.raises(RecordNotFound):
            erp.port.get_customer("999999")

    def test_a_second_creation_gives_the_same_customer(self, erp):
        wanted = account()
        first = erp.port.create_customer(wanted, parent_remote_id=None)
        assert erp.port.create_customer(wanted, parent_remote_id=None) == first

    def test_racing_creations_make_one_customer(self, erp):
        wanted = account()

        def create(_: int) -> str:
            return erp.port.create_customer(wanted, parent_remote_id=None).remote_id

        with ThreadPoolExecutor(5) as threads:
            assert len(set(threads.map(create, range(5)))) == 1
        assert erp.customers_with(wanted.name) == 1

    def test_a_wrong_tax_id_is_refused_and_nothing_entered(self, erp):
        wrong = account(tax_id="1")
        with pytest.raises(VendorRejected, match="tax id"):
            erp.port.create_customer(wrong, parent_remote_id=None)
        assert erp.customers_with(wrong.name) == 0

    def test_an_unknown_country_is_said(self, erp):
        abroad = account(billing_address=Address(country="AQ"))
        with pytest.raises(BusinessRuleViolation, match="AQ"):
            erp.port.create_customer(abroad, parent_remote_id=None)

    def test_is_deactivated_and_left_so(self, erp):
        created = erp.port.create_customer(account(), parent_remote_id=None)
        gone = erp.port.deactivate_customer(created.remote_id)
        assert not gone.active
        assert erp.port.deactivate_customer(created.remote_id) == gone
        assert erp.port.find_customer(created.id) is None
        assert not erp.port.get_customer(created.remote_id).active

    def test_with_an_order_is_not_deactivated(self, erp, customer):
        erp.port.create_order(order(), customer_remote_id=customer)
        with pytest.raises(BusinessRuleViolation, match="orders"):
            erp.port.deactivate_customer(customer)
        assert erp.port.get_customer(customer).active

    def test_with_only_a_cancelled_order_is_deactivated(self, erp, customer):
        entered = erp.port.create_order(order(), customer_remote_id=customer)
        erp.port.cancel_order(entered.remote_id)
        assert not erp.port.deactivate_customer(customer).active

    def test_created_again_is_current_and_active(self, erp):
        parent = erp.port.create_customer(account(), parent_remote_id=None)
        before = account(tax_id=erp.tax_ids["US"])
        first = erp.port.create_customer(before, parent_remote_id=None)
        erp.port.deactivate_customer(first.remote_id)
        moved = Address(street="1 New St", city="Dallas", country="US")
        now = before.model_copy(
            update={"name": "Renamed", "domain": "renamed.example", "billing_address": moved}
        )
        again = erp.port.create_customer(now, parent_remote_id=parent.remote_id)
        assert again.active
        assert (again.id, again.name, again.domain) == (before.id, "Renamed", "renamed.example")
        assert again.tax_id == before.tax_id
        (address,) = erp.addresses(again.remote_id)
        assert "1 New St" in address
        assert erp.parents(again.remote_id) == [parent.remote_id]


class TestCandidates:
    def test_the_external_id_comes_first(self, erp):
        ours = erp.port.create_customer(account(), parent_remote_id=None)
        tax_id = uuid.uuid4().hex
        erp.enter_customer("By hand", tax_id=tax_id, website="https://hand.example")
        criteria = CustomerCriteria(account_id=ours.id, tax_id=tax_id, domain="hand.example")
        (found,) = erp.port.find_customer_candidates(criteria)
        assert (found.remote_id, found.by) == (ours.remote_id, "external_id")

    def test_then_the_tax_id_then_the_domain(self, erp):
        tax_id, domain = uuid.uuid4().hex, f"{uuid.uuid4().hex}.example"
        first = erp.enter_customer("One", tax_id=tax_id, website=f"http://www.{domain}/about")
        second = erp.enter_customer("Two", tax_id=uuid.uuid4().hex, website=domain)
        criteria = CustomerCriteria(account_id=new_id(), tax_id=tax_id, domain=domain)
        (found,) = erp.port.find_customer_candidates(criteria)
        assert (found.remote_id, found.by) == (first, "tax_id")
        unregistered = criteria.model_copy(update={"tax_id": None})
        both = erp.port.find_customer_candidates(unregistered)
        assert {candidate.remote_id for candidate in both} == {first, second}
        assert {candidate.by for candidate in both} == {"domain"}

    def test_a_longer_domain_is_another_one(self, erp):
        domain = f"{uuid.uuid4().hex}.example"
        erp.enter_customer("Other", tax_id=uuid.uuid4().hex, website=f"https://my{domain}")
        criteria = CustomerCriteria(account_id=new_id(), tax_id=None, domain=domain)
        assert erp.port.find_customer_candidates(criteria) == ()

    def test_a_customer_made_by_hand_is_read(self, erp):
        remote_id = erp.enter_customer("By hand", tax_id="HAND-1", website="https://h.example")
        found = erp.port.get_customer(remote_id)
        assert found.id == f"tryton:{remote_id}"
        assert found.tax_id == "HAND-1"


class TestOrders:
    @pytest.mark.parametrize("code", SUBSIDIARIES)
    def test_is_entered_confirmed_and_taxed(self, erp, customer, code):
        (subsidiary,) = (s for s in erp.subsidiaries if s.code == code)
        wanted = order(code, subsidiary.currency)
        entered = erp.port.create_order(wanted, customer_remote_id=customer)
        assert entered.number
        assert entered.tax == wanted.net.times(subsidiary.tax_rate)
        assert entered.total == wanted.net + entered.tax
        remote_id = entered.remote_id
        assert erp.port.get_order(remote_id) == entered
        assert erp.port.find_order(wanted.id) == entered
        agreed = {"lines", "net", "currency", "subsidiary", "payment_terms", "start_date"}
        agreed |= {"payment_days", "id", "term_months"}
        assert entered.model_dump(include=agreed) == wanted.model_dump(include=agreed)
        assert entered.bill_to == erp.port.get_customer(customer).id

    @pytest.mark.parametrize(
        ("quantity", "price", "amount", "entered"),
        [
            ("1", "84.9915", "84.99", "84.9915"),
            ("3000", "84.9915", "254974.50", "84.9915"),
            ("999", "333.333333", "333000.00", "333.333333"),
            ("1", "94.905", "94.91", "94.91"),
            ("3", "94.905", "284.72", "94.90666667"),
            ("5", "0.001", "0.01", "0.002"),
        ],
    )
    def test_a_discounted_line_comes_to_its_amount(
        self, erp, customer, quantity, price, amount, entered
    ):
        """Half a cent goes the ERP's way where it is left to it: the unit price leaves none."""
        discounted = line(1, "SEAT-ANNUAL", LineKind.RECURRING, quantity, price, "USD")
        wanted = order(lines=(discounted,), net=discounted.amount)

        found = erp.port.create_order(wanted, customer_remote_id=customer)

        assert found.net == Money.of(amount, "USD")
        assert found.lines[0].amount == discounted.amount == found.net
        assert found.lines[0].unit_price == UnitPrice.of(entered, "USD")
        assert found.total == found.net + found.tax

    def test_a_price_too_fine_for_the_erp_is_said_and_leaves_nothing(self, erp, customer):
        fine = line(1, "SEAT-ANNUAL", LineKind.RECURRING, "90000000", "0.333333333333", "USD")
        wanted = order(lines=(fine,), net=fine.amount)

        with pytest.raises(BusinessRuleViolation, match="cannot come to"):
            erp.port.create_order(wanted, customer_remote_id=customer)

        assert erp.order_states(wanted.id) == []

    def test_is_absent_until_entered(self, erp):
        assert erp.port.find_order(new_id()) is None
        with pytest.raises(RecordNotFound):
            erp.port.get_order("999999")

    def test_is_cancelled_and_left_so(self, erp, customer):
        entered = erp.port.create_order(order(), customer_remote_id=customer)
        cancelled = erp.port.cancel_order(entered.remote_id)
        assert cancelled.status == "cancelled"
        assert erp.port.cancel_order(entered.remote_id) == cancelled
        assert erp.port.find_order(entered.id) is None

    def test_is_entered_again_after_a_cancellation(self, erp, customer):
        wanted = order()
        first = erp.port.create_order(wanted, customer_remote_id=customer)
        erp.port.cancel_order(first.remote_id)
        second = erp.port.create_order(wanted, customer_remote_id=customer)
        assert second.number != first.number
        assert erp.port.find_order(wanted.id) == second

    def test_once_invoiced_is_left_to_finance(self, erp, customer):
        entered = erp.port.create_order(order(), customer_remote_id=customer)
        erp.invoice(entered.remote_id, US)
        with pytest.raises(BusinessRuleViolation, match="already invoiced"):
            erp.port.cancel_order(entered.remote_id)
        assert erp.port.find_order(entered.id).number == entered.number

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"payment_terms": "NET999"}, "NET999"),
            ({"subsidiary": "ELSEWHERE"}, "ELSEWHERE"),
            ({"net": Money.of("1.00", "USD")}, "1.00 USD was agreed"),
            (
                {"lines": (line(1, "GADGET", LineKind.RECURRING, "1", "1", "USD"),)},
                "does not sell the product GADGET",
            ),
        ],
    )
    def test_what_the_erp_cannot_enter_is_said_and_leaves_nothing(
        self, erp, customer, changes, problem
    ):
        wrong = order(**changes)
        with pytest.raises(BusinessRuleViolation, match=problem):
            erp.port.create_order(wrong, customer_remote_id=customer)
        assert erp.port.find_order(wrong.id) is None
        assert set(erp.order_states(wrong.id)) <= {"cancelled"}

    def test_beyond_the_credit_limit_is_refused_and_leaves_nothing(self, erp, customer):
        erp.set_credit_limit(customer, "1000", US)
        wanted = order()
        with pytest.raises(BusinessRuleViolation, match="credit hold"):
            erp.port.create_order(wanted, customer_remote_id=customer)
        assert erp.order_states(wanted.id) == ["cancelled"]
        erp.set_credit_limit(customer, "1000000", US)
        assert erp.port.create_order(wanted, customer_remote_id=customer).number

    def test_the_draft_of_a_crashed_attempt_is_replaced(self, erp, customer):
        wanted = order()
        first = erp.port.create_order(wanted, customer_remote_id=customer)
        erp.port.cancel_order(first.remote_id)
        erp.draft_copy(first.remote_id)
        assert erp.port.find_order(wanted.id) is None
        second = erp.port.create_order(wanted, customer_remote_id=customer)
        assert second.net == wanted.net
        assert erp.order_states(wanted.id) == ["cancelled", "cancelled", "confirmed"]

    def test_the_draft_of_a_crashed_attempt_is_cancelled_with_the_order(self, erp, customer):
        wanted = order()
        first = erp.port.create_order(wanted, customer_remote_id=customer)
        erp.draft_copy(first.remote_id)
        assert erp.port.find_order_or_draft(wanted.id) == first
        erp.port.cancel_order(first.remote_id)
        assert erp.order_states(wanted.id) == ["cancelled", "cancelled"]

    def test_the_draft_of_a_crashed_attempt_is_found_and_cancelled(self, erp, customer):
        wanted = order()
        assert erp.port.find_order_or_draft(wanted.id) is None
        erp.leave_draft(wanted, customer)
        assert erp.port.find_order(wanted.id) is None
        draft = erp.port.find_order_or_draft(wanted.id)
        assert erp.port.cancel_order(draft.remote_id).status == "cancelled"
        assert erp.order_states(wanted.id) == ["cancelled"]
        assert not erp.port.deactivate_customer(customer).active

    def test_of_an_inactive_customer_is_refused(self, erp, customer):
        erp.port.deactivate_customer(customer)
        wanted = order()
        with pytest.raises(BusinessRuleViolation, match="is inactive in the ERP"):
            erp.port.create_order(wanted, customer_remote_id=customer)
        assert erp.order_states(wanted.id) == []

    def test_a_second_entry_does_not_add_an_order(self, erp, customer):
        wanted = order()
        first = erp.port.create_order(wanted, customer_remote_id=customer)
        with pytest.raises(OutcomeUnknown):
            erp.port.create_order(wanted, customer_remote_id=customer)
        assert erp.port.find_order(wanted.id) == first
        assert erp.order_states(wanted.id) == ["cancelled", "confirmed"]

    @pytest.mark.parametrize("attempt", range(3))
    def test_racing_entries_leave_one_order(self, erp, customer, attempt):
        wanted = order()

        def enter(_: int) -> bool:
            try:
                erp.port.create_order(wanted, customer_remote_id=customer)
            except OutcomeUnknown:
                return False
            return True

        with ThreadPoolExecutor(5) as threads:
            entered = list(threads.map(enter, range(5)))
        assert sum(entered) <= 1
        assert erp.port.find_order(wanted.id) is not None
        assert erp.order_states(wanted.id) == ["cancelled"] * 4 + ["confirmed"]

    def test_two_orders_for_one_deal_are_a_conflict(self, erp, customer):
        entered = erp.port.create_order(order(), customer_remote_id=customer)
        erp.draft_copy(entered.remote_id, confirmed=True)
        with pytest.raises(RecordConflict, match=entered.number):
            erp.port.find_order(entered.id)


class TestProjects:
    @pytest.fixture
    def sold(self, erp, customer) -> Order:
        return erp.port.create_order(order(), customer_remote_id=customer)

    def test_is_opened_with_a_task_per_services_line(self, erp, customer, sold):
        opened = erp.port.create_project(sold, customer_remote_id=customer)
        assert opened.id == sold.id
        assert opened.status == "open"
        assert opened.number
        assert erp.port.find_project(sold.id) == opened
        assert erp.port.get_project(opened.remote_id) == opened
        (task,) = erp.task_names(opened.remote_id)
        assert "PS-IMPLEMENT" in task
        assert "2.5" in task

    def test_is_absent_until_opened(self, erp):
        assert erp.port.find_project(new_id()) is None
        with pytest.raises(RecordNotFound):
            erp.port.get_project("999999")

    def test_is_closed_and_left_so_and_opened_anew(self, erp, customer, sold):
        opened = erp.port.create_project(sold, customer_remote_id=customer)
        closed = erp.port.close_project(opened.remote_id)
        assert closed.status == "closed"
        assert erp.port.close_project(opened.remote_id) == closed
        assert erp.port.find_project(sold.id) is None
        again = erp.port.create_project(sold, customer_remote_id=customer)
        assert again.remote_id != opened.remote_id
        assert again.status == "open"

    def test_two_projects_for_one_deal_are_a_conflict(self, erp, customer, sold):
        erp.port.create_project(sold, customer_remote_id=customer)
        with pytest.raises(RecordConflict):
            erp.port.create_project(sold, customer_remote_id=customer)
        with pytest.raises(RecordConflict):
            erp.port.find_project(sold.id)


Call = Callable[[object], object]


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.find_order("crm:1"),
        lambda port: port.create_customer(account(), parent_remote_id=None),
    ],
    ids=["read", "write"],
)
def test_a_wrong_key_is_said(erp, call: Call):
    with pytest.raises(CredentialsRejected) as caught:
        call(erp.connect("wrong-key"))
    assert "wrong-key" not in str(caught.value)


def test_an_erp_that_is_gone_is_unavailable_until_it_is_back(erp, customer):
    wanted = order()
    erp.kill()
    try:
        with pytest.raises(VendorUnavailable):
            erp.port.find_order(wanted.id)
        with pytest.raises(VendorUnavailable):
            erp.port.create_order(wanted, customer_remote_id=customer)
    finally:
        erp.start()
    assert erp.port.find_order(wanted.id) is None
    entered = erp.port.create_order(wanted, customer_remote_id=customer)
    assert erp.port.find_order(wanted.id) == entered
