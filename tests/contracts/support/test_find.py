"""Every `find_` of the support port, at every vendor: see `tests.contracts.finding`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from interlock.canonical import Task
from interlock.canonical.contracts import Notice
from interlock.connectors.support.zendesk import Zendesk

from local.sandboxes.sandbox import FaultKind, Sandbox
from tests.contracts.finding import Edit, FindContract, Finding

_numbers = itertools.count(1)


class Tickets(Finding):
    """Agents change whatever a ticket has, and merge nothing of ours."""

    def __init__(self, port: Zendesk, sandbox: Sandbox, api: httpx.Client) -> None:
        self.port = port
        self.sandbox = sandbox
        self.api = api

    def make(self, key: str) -> str:
        task = Task(
            id=key, subject="Kick-off", body="Agree.", customer_id="crm:1", customer_name="Acme"
        )
        return self.port.create_task(task, idempotency_key=f"key-{next(_numbers)}").remote_id

    def find(self, key: str, edit: Edit) -> Task | None:
        return self.port.find_task(key)

    @contextmanager
    def answer_lost(self) -> Iterator[None]:
        self.sandbox.fail(FaultKind.LOST_ANSWER, method="POST", path="/tickets$")
        yield

    def edit_there(self, key: str, remote_id: str) -> None:
        user = {"name": "Ada", "email": "ada@acme.example"}
        known = self.api.post("/users/create_or_update", json={"user": user}).json()["user"]
        changes = {"subject": "URGENT", "status": "pending", "type": "incident", "tags": ["vip"]}
        self._update(remote_id, changes | {"assignee_id": known["id"], "priority": "urgent"})

    def crowd(self, key: str) -> None:
        """Of the same key, and solved: others the list does not even hold."""
        for _ in range(self.page_size):
            self._ticket(key, status="solved")

    def make_by_hand(self, key: str) -> bool:
        self._ticket(key)
        return True

    def _ticket(self, key: str, **fields: object) -> None:
        ticket = {"external_id": key, "subject": "By hand", "comment": {"body": "By hand"}}
        self.api.post("/tickets", json={"ticket": ticket | fields}).raise_for_status()

    def _update(self, remote_id: str, changes: Edit) -> None:
        self.api.put(f"/tickets/{remote_id}", json={"ticket": changes}).raise_for_status()


class Notices(Tickets):
    """As tasks, but for those that were withdrawn instead of those that are solved."""

    def make(self, key: str) -> str:
        notice = Notice(
            id=key,
            account_id="crm:1",
            customer_name="Acme",
            customer_email="accounts@acme.example",
            subject="It goes on",
            body="Unless you say otherwise.",
        )
        return self.port.send_notice(notice, idempotency_key=f"key-{next(_numbers)}").remote_id

    def find(self, key: str, edit: Edit) -> Notice | None:
        return self.port.find_notice(key)

    def crowd(self, key: str) -> None:
        """Of the same key, and withdrawn."""
        for _ in range(self.page_size):
            self._ticket(key, tags=["interlock_notice_withdrawn"])


class TestFindTask(FindContract):
    @pytest.fixture
    def finding(self, support: Zendesk, sandbox: Sandbox, api: httpx.Client) -> Finding:
        return Tickets(support, sandbox, api)


class TestFindNotice(FindContract):
    @pytest.fixture
    def finding(self, support: Zendesk, sandbox: Sandbox, api: httpx.Client) -> Finding:
        return Notices(support, sandbox, api)
