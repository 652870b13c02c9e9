"""How a request for a credit comes in, is swept for, and is answered."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from interlock import aws, connections
from interlock.canonical import Money
from interlock.canonical.credits import Case, CreditOutcome, CreditStatus
from interlock.effects import EffectKey, ledger
from interlock.errors import OutcomeUnknown, RecordConflict
from interlock.events import Event, credit_requested
from interlock.timeline import Timeline
from interlock.webhook import MAX_BYTES

from tests.unit.conftest import Cloud, forget
from tests.unit.functions.calling import connect, module

KEY = "hush"
BODY = json.dumps(
    {
        "type": "zen:event-type:ticket.custom_field_changed",
        "id": "2b24ef10-19d4-4740-93cf-8f98ec4776c0",
        "time": "2026-11-02T09:30:10Z",
        "subject": "zen:ticket:35",
        "event": {"current": {"value": "interlock_credit_requested"}},
    }
)
NOTHING = json.dumps({"type": "zen:event-type:ticket.created"})

Published = list[Event]
Answer = dict[str, Any]


def signed(body: str, *, key: str = KEY, ago: float = 0) -> dict[str, Any]:
    """A request as API Gateway gives it to the function."""
    at = (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hmac.digest(key.encode(), f"{at}{body}".encode(), hashlib.sha256)
    headers = {
        "X-Zendesk-Webhook-Signature": b64encode(digest).decode(),
        "X-Zendesk-Webhook-Signature-Timestamp": at,
    }
    return {"httpMethod": "POST", "headers": headers, "body": body, "isBase64Encoded": False}


class TestIngress:
    @pytest.fixture
    def published(
        self, cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch
    ) -> Published:
        forget()
        connections._provider("secretsmanager").clear_cache()
        secrets = aws.client("secretsmanager")
        secrets.create_secret(Name="webhook", SecretString=json.dumps({"signing_secret": KEY}))
        environment(
            CONNECTION_NAME="zendesk",
            WEBHOOK_SECRET="webhook",  # noqa: S106
            DELIVERIES_TABLE=cloud.table("DeliveriesTable"),
            INTEGRATION_BUS="bus",
        )
        published: Published = []
        handler = module("ingress/zendesk")
        monkeypatch.setattr(handler.events, "publish", lambda *told: published.extend(told))
        return published

    @pytest.fixture
    def ask(self, context: Any) -> Callable[[dict[str, Any]], Answer]:
        return lambda request: module("ingress/zendesk").handler(request, context)

    def test_a_request_is_published(self, published: Published, ask: Any) -> None:
        answer = ask(signed(BODY))

        assert answer == {"statusCode": 200, "headers": {}, "body": ""}
        [event] = published
        assert (event.type, event.subject) == ("credit.requested", "zendesk:35")

    def test_a_body_in_base64(self, published: Published, ask: Any) -> None:
        request = signed(BODY)
        request |= {"body": b64encode(BODY.encode()).decode(), "isBase64Encoded": True}

        assert ask(request)["statusCode"] == 200
        assert len(published) == 1

    def test_any_other_event_is_taken_and_means_nothing(
        self, published: Published, ask: Any
    ) -> None:
        assert ask(signed(NOTHING))["statusCode"] == 200
        assert published == []

    def test_a_delivery_that_is_replayed_is_published_once(
        self, published: Published, ask: Any
    ) -> None:
        request = signed(BODY)

        assert [ask(each)["statusCode"] for each in (request, request, signed(BODY))] == [200] * 3
        assert len(published) == 1

    @pytest.mark.parametrize("ago", [301, -301])
    def test_one_that_is_replayed_too_late_is_refused(
        self, published: Published, ask: Any, ago: float
    ) -> None:
        assert ask(signed(BODY, ago=ago))["statusCode"] == 401
        assert published == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"headers": None},
            {"headers": {}},
            {"body": None},
            {"body": ""},
            {"body": BODY.replace("35", "36")},
        ],
    )
    def test_what_our_webhook_did_not_sign(
        self, published: Published, ask: Any, changes: dict[str, Any]
    ) -> None:
        answer = ask(signed(BODY) | changes)

        assert answer == {"statusCode": 401, "headers": {}, "body": ""}
        assert published == []

    def test_another_secret(self, published: Published, ask: Any) -> None:
        assert ask(signed(BODY, key="another"))["statusCode"] == 401
        assert published == []

    @pytest.mark.parametrize("body", ["{", "[]", json.dumps(json.loads(BODY) | {"id": None})])
    def test_malformed(self, published: Published, ask: Any, body: str) -> None:
        assert ask(signed(body)) == {"statusCode": 400, "headers": {}, "body": ""}
        assert published == []

    @pytest.mark.parametrize("body", ["not base64!", "=", "é"])
    def test_no_base64(self, published: Published, ask: Any, body: str) -> None:
        assert ask(signed(BODY) | {"body": body, "isBase64Encoded": True})["statusCode"] == 400

    def test_too_large(self, published: Published, ask: Any) -> None:
        assert ask(signed(" " * (MAX_BYTES + 1)))["statusCode"] == 413
        assert ask(signed(BODY.ljust(MAX_BYTES)))["statusCode"] == 200

    def test_what_fails_here_is_to_be_sent_again(
        self, published: Published, ask: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handler = module("ingress/zendesk")
        publish = handler.events.publish

        def fail(*events: Event) -> None:
            raise OutcomeUnknown("the bus did not take it")

        monkeypatch.setattr(handler.events, "publish", fail)
        assert ask(signed(BODY)) == {
            "statusCode": 503,
            "headers": {"Retry-After": "20"},
            "body": "",
        }
        monkeypatch.setattr(handler.events, "publish", publish)

        assert ask(signed(BODY))["statusCode"] == 200
        assert len(published) == 1

    @pytest.mark.parametrize("value", ["{}", '{"signing_secret": ""}', "hush", "[]"])
    def test_without_a_secret_nothing_is_taken(
        self, published: Published, ask: Any, value: str
    ) -> None:
        """Least of all what is signed with an empty one."""
        aws.client("secretsmanager").put_secret_value(SecretId="webhook", SecretString=value)

        assert ask(signed(BODY, key=""))["statusCode"] == 503
        assert published == []


ASKED_AT = datetime(2026, 11, 2, 9, 30, 10, tzinfo=UTC)


def case(number: int, asked_at: datetime = ASKED_AT) -> Case:
    """A case that asks for a credit."""
    return Case(
        id=f"zendesk:{number}",
        number=str(number),
        subject="Exports fail",
        status="open",
        account_id="crm:1",
        severity=None,
        started_at=None,
        ended_at=None,
        requested_by="sam@support.example",
        requested_at=asked_at,
    )


class TestSweep:
    @pytest.fixture
    def published(
        self, cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch
    ) -> Published:
        forget()
        environment(
            TIMELINE_TABLE=cloud.table("TimelineTable"),
            SWEEP_CASES_AFTER="2026-11-01T00:00:00Z",
            INTEGRATION_BUS="bus",
        )
        published: Published = []
        monkeypatch.setattr(
            module("ingress/sweep_cases").events, "publish", lambda *told: published.extend(told)
        )
        return published

    @pytest.fixture
    def sweep(self, monkeypatch: pytest.MonkeyPatch, context: Any) -> Callable[..., Any]:
        """Sweeps what a support system says."""

        def sweep(*cases: Case) -> Any:
            class Support:
                """It has these cases."""

                def unanswered_requests(
                    self, *, requested_after: datetime, requested_before: datetime
                ) -> Iterator[Case]:
                    """All of them."""
                    assert requested_after == datetime(2026, 11, 1, tzinfo=UTC)
                    assert requested_before <= datetime.now(UTC) - timedelta(minutes=15)
                    return iter(cases)

            connect(monkeypatch, "support", Support())
            return module("ingress/sweep_cases").handler({}, context)

        return sweep

    def test_a_request_that_no_event_told_of(self, published: Published, sweep: Any) -> None:
        assert sweep(case(35), case(36)) == {"waiting": 2, "told": ["zendesk:35", "zendesk:36"]}

        assert [e.correlation_id for e in published] == [
            "zendesk-35-1793611810",
            "zendesk-36-1793611810",
        ]

    @pytest.mark.parametrize("later", [-5, 0, 40])
    def test_one_that_an_event_told_of(
        self, published: Published, sweep: Any, later: float
    ) -> None:
        told = credit_requested("zendesk:35", ASKED_AT + timedelta(seconds=later), told_by="z:1")
        Timeline.load().record(told)

        assert sweep(case(35)) == {"waiting": 1, "told": []}
        assert published == []

    def test_an_earlier_request_does_not_count_nor_what_else_is_known(
        self, published: Published, sweep: Any
    ) -> None:
        timeline = Timeline.load()
        timeline.record(credit_requested("zendesk:35", ASKED_AT - timedelta(seconds=6)))
        granted = credit_requested("zendesk:35", ASKED_AT).model_copy(
            update={"type": "credit.granted"}
        )
        timeline.record(granted)

        assert sweep(case(35))["told"] == ["zendesk:35"]

    def test_what_a_sweep_told_is_told(self, published: Published, sweep: Any) -> None:
        sweep(case(35))
        Timeline.load().record(published[0])

        assert sweep(case(35)) == {"waiting": 1, "told": []}
        assert len(published) == 1

    def test_until_it_is_known_it_is_told_again_as_the_same(
        self, published: Published, sweep: Any
    ) -> None:
        sweep(case(35))
        sweep(case(35))

        assert published[0] == published[1]

    def test_nothing_waits(self, published: Published, sweep: Any) -> None:
        assert sweep() == {"waiting": 0, "told": []}


OUTCOME = CreditOutcome(
    case_id="zendesk:35",
    transaction="zendesk-35-1793611810",
    status=CreditStatus.GRANTED,
    amount=Money.of("12.50", "USD"),
    documents=("CN-1",),
    reasons=("It was down.",),
)


class Support:
    """A support system with one case; its fields keep neither documents nor reasons."""

    def __init__(self) -> None:
        self.notes: list[CreditOutcome] = []
        self.loses_answer = False

    def get_case(self, case_id: str) -> Case:
        """As it is now."""
        return case(int(case_id.removeprefix("zendesk:")))

    def read_credit_outcome(self, case_id: str) -> CreditOutcome | None:
        """What it was told last."""
        told = [each for each in self.notes if each.case_id == case_id]
        brief = {"documents": (), "reasons": ()}
        return told[-1].model_copy(update=brief) if told else None

    def write_credit_outcome(self, outcome: CreditOutcome) -> CreditOutcome:
        """Applied, though the answer may be lost."""
        self.notes.append(outcome)
        if self.loses_answer:
            self.loses_answer = False
            raise OutcomeUnknown("no answer")
        return outcome


class TestCases:
    @pytest.fixture
    def support(
        self, cloud: Cloud, environment: Any, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Support]:
        forget()
        environment(
            EFFECTS_TABLE=cloud.table("EffectsTable"),
            CROSSREF_TABLE=cloud.table("CrossReferencesTable"),
        )
        support = Support()
        connect(monkeypatch, "support", support)
        return support

    @pytest.fixture
    def update(self, context: SimpleNamespace) -> Callable[..., CreditOutcome]:
        def update(outcome: CreditOutcome, **told: Any) -> CreditOutcome:
            command = {"correlation_id": "T1", "outcome": outcome.model_dump(mode="json"), **told}
            answer = module("support/update_case").handler(command, context)
            return CreditOutcome.model_validate(answer)

        return update

    def test_a_case_is_read(self, support: Support, context: Any) -> None:
        command = {"correlation_id": "T1", "case_id": "zendesk:35"}

        answer = module("support/get_case").handler(command, context)

        assert Case.model_validate(answer) == case(35)

    def test_a_case_is_told_once(self, support: Support, update: Any) -> None:
        assert update(OUTCOME) == update(OUTCOME) == OUTCOME
        assert support.notes == [OUTCOME]

    def test_a_lost_answer_is_looked_up(self, support: Support, update: Any) -> None:
        support.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            update(OUTCOME)

        assert update(OUTCOME) == OUTCOME
        assert support.notes == [OUTCOME]

    def test_what_another_transaction_told_is_not_ours(self, support: Support, update: Any) -> None:
        other = OUTCOME.model_copy(update={"transaction": "zendesk-35-1"})
        support.loses_answer = True
        with pytest.raises(OutcomeUnknown):
            update(OUTCOME)
        support.notes = [other]

        update(OUTCOME)

        assert support.notes == [other, OUTCOME]

    def test_what_was_granted_may_be_cancelled(self, support: Support, update: Any) -> None:
        cancelled = OUTCOME.model_copy(update={"status": CreditStatus.CANCELLED, "amount": None})

        update(OUTCOME)
        update(cancelled)

        assert support.notes == [OUTCOME, cancelled]

    def test_an_outcome_has_one_content(self, support: Support, update: Any) -> None:
        update(OUTCOME)

        with pytest.raises(RecordConflict):
            update(OUTCOME.model_copy(update={"amount": Money.of("13.00", "USD")}))

    def test_a_dry_run_tells_nothing(self, support: Support, update: Any) -> None:
        update(OUTCOME, dry_run="D1")

        assert support.notes == []

    def test_the_ledger_knows_it_by_case_transaction_and_status(
        self, support: Support, update: Any
    ) -> None:
        update(OUTCOME)

        record = "zendesk:35/zendesk-35-1793611810/granted"
        assert ledger()._read(EffectKey("vendor", "update_case", record))["state"] == "DONE"
