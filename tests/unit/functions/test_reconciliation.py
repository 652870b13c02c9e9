"""The functions of the reconciliation, called as Lambda calls them, with ports in memory."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind, FactsPage
from interlock.errors import BudgetExhausted, BusinessRuleViolation
from interlock.rules.digest import Digest
from interlock.rules.reconciliation import Progress

from tests.unit.functions.calling import connect, module

DAY = date(2026, 11, 3)
PART = {"kind": "invoice", "first_day": "2026-11-03", "last_day": "2026-11-04", "most_told": 3}
COMMAND = {"correlation_id": "reconciliation-1", "part": PART, "before": None}


def fact(number: int) -> Fact:
    return Fact(
        kind=FactKind.INVOICE,
        id=f"stripe:in_{number}",
        customer_id="salesforce:001",
        amount=Money.of("10.00", "USD"),
        day=DAY,
    )


class Port:
    """A system with five documents, a page of two at a time; `failing` is a page it cannot tell."""

    def __init__(self, failing: str | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.failing = failing

    def facts(self, kind: FactKind, *, after: str | None, **query: Any) -> FactsPage:
        self.asked.append(query | {"kind": kind, "after": after})
        if after == self.failing:
            raise BudgetExhausted("others are first")
        start = int(after or 0)
        rest = str(start + 2) if start + 2 < 5 else None
        return FactsPage(facts=tuple(map(fact, range(start, min(start + 2, 5)))), next=rest)

    def find_facts(self, kind: FactKind, ids: tuple[str, ...]) -> tuple[Fact, ...]:
        assert ids
        return tuple(each for each in map(fact, range(5)) if each.id in ids)


@pytest.fixture(params=["billing", "erp"])
def area(request: pytest.FixtureRequest) -> str:
    return request.param


def command(area: str, **changes: Any) -> dict[str, Any]:
    born_in = {"born_in": "stripe"} if area == "erp" else {}
    return COMMAND | born_in | changes


def with_seconds(context: Any, seconds: int) -> Any:
    told = SimpleNamespace(**{n: getattr(context, n) for n in dir(context) if n[0] != "_"})
    told.get_remaining_time_in_millis = lambda: seconds * 1000
    return told


def test_all_pages_are_digested_while_there_is_time(
    area: str, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    port = Port(failing="none")
    connect(monkeypatch, area, port)

    answer = module(f"{area}/digest_facts").handler(command(area), with_seconds(context, 29))

    progress = Progress.model_validate(answer)
    assert progress.is_done
    assert progress.system == "vendor"
    assert progress.digest == Digest().with_facts(map(fact, range(5)))
    assert [each["after"] for each in port.asked] == [None, "2", "4"]
    assert {(each["first_day"], each["last_day"]) for each in port.asked} == {
        (DAY, date(2026, 11, 4))
    }
    assert {each.get("system") for each in port.asked} == {"stripe" if area == "erp" else None}


def test_the_next_call_goes_on_where_time_ran_out(
    area: str, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    connect(monkeypatch, area, Port(failing="none"))
    handler, short = module(f"{area}/digest_facts").handler, with_seconds(context, 5)

    before, calls = None, 0
    while before is None or not before["is_done"]:
        before, calls = handler(command(area, before=before), short), calls + 1

    assert calls == 3
    assert Progress.model_validate(before).digest == Digest().with_facts(map(fact, range(5)))


def test_what_was_read_before_the_budget_was_used_up_is_kept(
    area: str, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    connect(monkeypatch, area, Port(failing="2"))
    handler, long = module(f"{area}/digest_facts").handler, with_seconds(context, 29)

    before = handler(command(area), long)
    assert (before["next"], before["is_done"]) == ("2", False)
    with pytest.raises(BudgetExhausted):
        handler(command(area, before=before), long)


def test_nothing_is_asked_where_nothing_differs(
    area: str, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    connect(monkeypatch, area, Port())
    handler = module(f"{area}/find_facts").handler
    asked = {"correlation_id": "reconciliation-1", "kind": "invoice"}

    assert handler(asked | {"ids": []}, context) == {"facts": []}
    [found] = handler(asked | {"ids": ["stripe:in_3", "stripe:in_9"]}, context)["facts"]
    assert found["id"] == "stripe:in_3"


def test_a_break_is_refused_with_what_to_do(context: Any) -> None:
    none = {"count": 0, "total": {"amount": "0.00", "currency": "USD"}}
    report = {
        "first_day": "2026-11-03",
        "last_day": "2026-11-03",
        "rows": [{"kind": "invoice", "currency": "USD", "billing": none, "books": none}],
        "breaks": [],
        "elsewhere": [],
        "untold": 0,
    }
    handler = module("workflow/assert_agreement").handler
    asked = {"correlation_id": "reconciliation-1"}

    assert handler(asked | {"report": report}, context)["untold"] == 0
    with pytest.raises(BusinessRuleViolation, match="about 7 more documents may differ"):
        handler(asked | {"report": report | {"untold": 7}}, context)
