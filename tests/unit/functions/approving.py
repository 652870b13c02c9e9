"""A small world in which credits and discounts are approved.

The stores are in moto, the rest is heard and counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from interlock import aws, contract_terms, deciding, events
from interlock.approvals import Approval, Approvals
from interlock.audit import Audit
from interlock.links import Links

from local.samples.aws import request
from local.samples.credit_stores import LEAD, POLICY, case, credit
from tests.unit.conftest import Clock, Cloud, forget
from tests.unit.functions.calling import module, sample
from tests.unit.functions.discounts import DISCOUNTED, contract, quote

RUN = "T1"


class Crash(BaseException):
    """The process dies here: nobody catches it."""


class TaskTimedOut(Exception):
    """As boto3's client names it."""


class TaskDoesNotExist(Exception):
    """As boto3's client names it."""


@dataclass
class World:  # as Step Functions' client, too
    """What people, runs and other systems see of approvals.

    Each call of a store, the bus and Step Functions has a boundary before and after it; the process
    dies at number `crash_at`.
    """

    clock: Clock
    context: Any
    told: list[Any] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    crash_at: int | None = None
    passed: int = 0

    exceptions = SimpleNamespace(TaskTimedOut=TaskTimedOut, TaskDoesNotExist=TaskDoesNotExist)

    @classmethod
    def build(
        cls, cloud: Cloud, clock: Clock, environment: Any, patch: pytest.MonkeyPatch, context: Any
    ) -> World:
        """An empty one."""
        cloud.mock.reset()
        forget()
        world = cls(clock, context)
        approvals, audit = cloud.table("ApprovalsTable"), cloud.table("AuditTable")
        environment(APPROVER_ROLE="interlock-approver")
        dynamodb = _Watched(aws.dynamodb(), world.bounded)
        patch.setattr(Approvals, "load", lambda: Approvals(approvals, clock, dynamodb))
        patch.setattr(Audit, "load", lambda: Audit(audit, clock, dynamodb))
        patch.setattr(Links, "load", lambda: Links(b"a secret", clock))
        patch.setattr(events, "publish", world.bounded(world._publish))
        in_force = SimpleNamespace(approval=POLICY, renewal=DISCOUNTED.renewal)
        patch.setattr(contract_terms, "in_force", lambda: in_force)
        states = {"stepfunctions": world}
        patch.setattr(deciding, "aws", SimpleNamespace(client=states.__getitem__))
        world.send_task_success = world.bounded(world._answer)
        return world

    # -- What a run and people do

    def ask(self, token: str, **values: Any) -> dict[str, Any]:
        """A run asks, and waits with the token."""
        given = {"case": case(), "credit": credit()} | values
        content = {name: each.model_dump(mode="json") for name, each in given.items()}
        command = sample("approvals/request_approval") | content
        command |= {"token": token, "correlation_id": RUN}
        return module("approvals/request_approval").handler(command, self.context)

    def ask_discount(self, token: str, **values: Any) -> dict[str, Any]:
        """A run asks for the approval of a renewal's discount; `values` are of the quote."""
        told = {"contract": contract(), "quote": quote(**values), "terms": DISCOUNTED}
        command = {name: each.model_dump(mode="json") for name, each in told.items()}
        command |= {"token": token, "correlation_id": RUN}
        return module("approvals/request_renewal_approval").handler(command, self.context)

    def decide(self, id: str, *, person: str | None = LEAD, **body: Any) -> Answered:
        """A person decides over the API."""
        told = {"action": "approve", "reason": "checked", "subject_hash": self._hash(id)} | body
        return self.call("decide_approval", "POST", "/approvals/{id}/decision", id, told, person)

    def call(
        self,
        function: str,
        method: str,
        resource: str,
        id: str | None = None,
        body: Any = None,
        person: str | None = LEAD,
        query: dict[str, str] | None = None,
    ) -> Answered:
        """A request of the API."""
        event = request(
            method,
            resource,
            parameters={"id": id} if id else None,
            query=query,
            body=body,
            person=person,
        )
        return self.send(function, event)

    def send(self, function: str, event: dict[str, Any]) -> Answered:
        """An event of API Gateway."""
        answer = module(f"approvals/{function}").handler(event, self.context)
        return Answered(answer["statusCode"], answer["headers"], answer["body"])

    # -- What became of it

    def approval(self, id: str) -> Approval:
        """As it is stored."""
        return Approvals.load().get(id)

    def audited(self) -> list[tuple[str, str]]:
        """Who did what, by an audit that is whole."""
        chain = Audit.load().of(RUN)
        assert chain.problems() == []
        assert len({row.subject for row in chain.rows}) <= 1
        return [(row.actor, row.action) for row in chain.rows]

    def types(self) -> list[str]:
        """The events that were told, each once however often it was told."""
        return list({event.id: event.type for event in self.told}.values())

    # -- What the functions call

    def bounded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function with a boundary before and after it."""

        def call(*arguments: Any, **options: Any) -> Any:
            self._pass()
            result = function(*arguments, **options)
            self._pass()
            return result

        return call

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self.crash_at:
            raise Crash

    def _publish(self, *published: Any) -> None:
        self.told += published

    def _answer(self, *, taskToken: str, output: str) -> None:
        if taskToken in self.gone or taskToken in self.answers:
            raise TaskTimedOut
        self.answers[taskToken] = json.loads(output)

    @staticmethod
    def _hash(id: str) -> str:
        row = Approvals.load()._row(id)
        return Approval.model_validate_json(row["content"]).subject_hash if row else "none"


@dataclass(frozen=True)
class Answered:
    """What API Gateway sends back."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body of an operation."""
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What is wrong."""
        return self.json["message"]


class _Watched:
    """A DynamoDB client whose calls have boundaries."""

    def __init__(self, client: Any, bounded: Callable[..., Any]) -> None:
        self._client = client
        self._bounded = bounded
        self.exceptions = client.exceptions

    def get_paginator(self, name: str) -> Any:
        """Reading by pages."""
        return SimpleNamespace(paginate=self._bounded(self._client.get_paginator(name).paginate))

    def __getattr__(self, name: str) -> Any:
        return self._bounded(getattr(self._client, name))
