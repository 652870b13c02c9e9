"""Every `find_` of the ERP port, at every ERP: see `tests.contracts.finding`."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest
from interlock.canonical import Customer, Money, Order, Project
from interlock.canonical.books import LedgerRole, PostedDocument, PostedEntry
from interlock.errors import RecordConflict

from tests.contracts.erp.accounts import account
from tests.contracts.erp.postings import DAY, entry, line, payment, posting
from tests.contracts.erp.test_erp_port import order
from tests.contracts.finding import Edit, FindContract, Finding


class InErp(Finding):
    """What the finds in an ERP share. They are given the key alone, so nothing else can matter."""

    page_size = 2
    """Tryton answers all at once; another ERP says how many it lists."""

    kind: str

    def __init__(self, erp: Any) -> None:
        self.erp = erp
        self.port = erp.port
        self._customer: str | None = None

    def answer_lost(self) -> AbstractContextManager[None]:
        """Of the last request, where there are several."""
        self.customer()
        return self.erp.answer_lost(to=self.kind)

    def customer(self) -> str:
        """Who buys; the remote id."""
        if self._customer is None:
            created = self.port.create_customer(account(), parent_remote_id=None)
            self._customer = created.remote_id
        return self._customer


class Customers(InErp):
    """Finance corrects them, and cannot give a code twice."""

    kind = "customer"

    def make(self, key: str) -> str:
        return self.port.create_customer(account(id=key), parent_remote_id=None).remote_id

    def find(self, key: str, edit: Edit) -> Customer | None:
        return self.port.find_customer(key)

    def edit_there(self, key: str, remote_id: str) -> None:
        self.erp.edit_customer(remote_id)

    def crowd(self, key: str) -> None:
        for number in range(self.page_size):
            self.port.create_customer(account(name=f"{key}/{number}"), parent_remote_id=None)

    def make_by_hand(self, key: str) -> bool:
        return self.erp.enter_customer_with_code(key)


class Orders(InErp):
    """A confirmed order stays as it is, but for notes."""

    kind = "order"
    _pattern: str | None = None

    def make(self, key: str) -> str:
        return self.port.create_order(order(id=key), customer_remote_id=self.customer()).remote_id

    def find(self, key: str, edit: Edit) -> Order | None:
        return self.port.find_order(key)

    def edit_there(self, key: str, remote_id: str) -> None:
        self.erp.edit_order(remote_id)

    def crowd(self, key: str) -> None:
        """Of the same key, and drafts: what crashed attempts leave."""
        self._pattern = self._pattern or self.make(f"{key}/pattern")
        for _ in range(self.page_size):
            self.erp.draft_copy(self._pattern, reference=key)

    def make_by_hand(self, key: str) -> bool:
        self.erp.draft_copy(self.port.find_order(key).remote_id, confirmed=True)
        return True


class Projects(InErp):
    """Delivery names them as it likes."""

    kind = "project"

    def make(self, key: str) -> str:
        return self._open(key).remote_id

    def find(self, key: str, edit: Edit) -> Project | None:
        return self.port.find_project(key)

    def edit_there(self, key: str, remote_id: str) -> None:
        self.erp.edit_project(remote_id)

    def crowd(self, key: str) -> None:
        """Of the same key, and closed."""
        if self.port.find_project(key) is not None:
            return  # there can be no other one beside it
        for _ in range(self.page_size):
            self.port.close_project(self._open(key).remote_id)

    def make_by_hand(self, key: str) -> bool:
        with suppress(RecordConflict):
            self._open(key)
        return True

    def _open(self, key: str) -> Project:
        return self.port.create_project(order(id=key), customer_remote_id=self.customer())


class Invoices(InErp):
    """Finance notes something about a posted invoice, and drafts are left by crashed attempts."""

    kind = "document"
    credits = False

    def make(self, key: str) -> str:
        customer = self.customer()
        return self.port.post_invoice(posting(id=key), customer_remote_id=customer).remote_id

    def find(self, key: str, edit: Edit) -> PostedDocument | None:
        return self.port.find_invoice(key)

    def edit_there(self, key: str, remote_id: str) -> None:
        self.erp.edit_document(remote_id)

    def crowd(self, key: str) -> None:
        for _ in range(self.page_size):
            self._by_hand(key, posted=False)

    def make_by_hand(self, key: str) -> bool:
        self._by_hand(key, posted=True)
        return True

    def _by_hand(self, key: str, *, posted: bool) -> None:
        self.erp.enter_document(key, self.customer(), posted=posted, credits=self.credits)


class CreditMemos(Invoices):
    """As invoices, and each credits one."""

    kind = "credit memo"
    credits = True

    def __init__(self, erp: Any) -> None:
        super().__init__(erp)
        wanted = posting()
        self._invoice = self.port.post_invoice(wanted, customer_remote_id=self.customer())

    def make(self, key: str) -> str:
        wanted = posting(line(1, "1.00"), id=key, credits=self._invoice.id)
        memo = self.port.post_credit_memo(
            wanted,
            customer_remote_id=self.customer(),
            invoice_remote_id=self._invoice.remote_id,
        )
        return memo.remote_id

    def find(self, key: str, edit: Edit) -> PostedDocument | None:
        return self.port.find_credit_memo(key)


class Entries(InErp):
    """Nobody changes a posted entry but for when it is due."""

    kind = "entry"

    def make(self, key: str) -> str:
        wanted = entry((LedgerRole.BANK, "1.00"), (LedgerRole.CLEARING, "-1.00"), id=key)
        posted = self.port.post_entry(wanted, customer_remote_id=None, settles_remote_id=None)
        return posted.remote_id

    def find(self, key: str, edit: Edit) -> PostedEntry | None:
        return self.port.find_entry(key)

    def edit_there(self, key: str, remote_id: str) -> None:
        self.erp.edit_entry(remote_id)

    def crowd(self, key: str) -> None:
        for _ in range(self.page_size):
            self.erp.enter_entry(key, posted=False)

    def make_by_hand(self, key: str) -> bool:
        self.erp.enter_entry(key, posted=True)
        return True


class Payments(Entries):
    """Each pays an invoice."""

    def __init__(self, erp: Any) -> None:
        super().__init__(erp)
        wanted = posting()
        self._invoice = self.port.post_invoice(wanted, customer_remote_id=self.customer())

    def make(self, key: str) -> str:
        applied = self.port.apply_payment(
            payment("1.00", id=key), posting_date=DAY, invoice_remote_id=self._invoice.remote_id
        )
        return applied.remote_id

    def find(self, key: str, edit: Edit) -> PostedEntry | None:
        return self.port.find_payment(key)


class CustomerCredits(Entries):
    """Each pays an invoice of one customer, who has enough of it."""

    kind = "customer credit"

    def __init__(self, erp: Any) -> None:
        super().__init__(erp)
        self.port.post_invoice(posting(line(1, "-100.00")), customer_remote_id=self.customer())

    def make(self, key: str) -> str:
        wanted = posting(line(1, "2.00"), id=key)
        invoice = self.port.post_invoice(wanted, customer_remote_id=self.customer())
        applied = self.port.apply_customer_credit(
            Money.of("1.00", "USD"), posting_date=DAY, invoice_remote_id=invoice.remote_id
        )
        return applied.remote_id

    def find(self, key: str, edit: Edit) -> PostedEntry | None:
        return self.port.find_customer_credit(key)

    def crowd(self, key: str) -> None:
        super().crowd(f"{key}/credit")

    def make_by_hand(self, key: str) -> bool:
        return super().make_by_hand(f"{key}/credit")


class TestFindCustomer(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return Customers(erp)


class TestFindOrder(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return Orders(erp)


class TestFindProject(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return Projects(erp)


class TestFindInvoice(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return Invoices(erp)


@pytest.mark.slow
class TestFindCreditMemo(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return CreditMemos(erp)


class TestFindPayment(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return Payments(erp)


@pytest.mark.slow
class TestFindCustomerCredit(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return CustomerCredits(erp)


class TestFindEntry(FindContract):
    @pytest.fixture
    def finding(self, erp: Any) -> Finding:
        return Entries(erp)
