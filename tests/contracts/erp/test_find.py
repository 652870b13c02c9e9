"""Every `find_` of the ERP port, at every ERP: see `tests.contracts.finding`."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest
from interlock.canonical import Customer, Order, Project
from interlock.errors import RecordConflict

from tests.contracts.erp.test_erp_port import account, order
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
