"""The audit: appended once, in one chain, and whatever is done to a stored chain is found."""

from __future__ import annotations

import copy
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock import aws
from interlock.audit import Audit, AuditHead, AuditRow, Entry, chain_of, verify
from interlock.errors import OutcomeUnknown, RecordConflict

from local.samples.credit_stores import AGENT, CASE
from tests.unit.conftest import Clock, Cloud

THREADS = 8


def entry(number: int = 1, **values: Any) -> Entry:
    """Something that happened."""
    given = {
        "transaction": "T1",
        "subject": CASE,
        "actor": AGENT,
        "action": "requested",
        "facts": {"amount": {"amount": "250.00", "currency": "EUR"}, "step": number},
        "id": f"step-{number}",
    }
    return Entry(**(given | values))


@pytest.fixture
def audit(cloud: Cloud, clock: Clock) -> Audit:
    """Nothing has happened."""
    return Audit(cloud.table("AuditTable"), clock, aws.dynamodb())


def stored(audit: Audit) -> list[dict[str, Any]]:
    """Every item of the table."""
    return aws.dynamodb().scan(TableName=audit.table)["Items"]


# ---- Appending


def test_an_entry_becomes_a_row_that_says_all_of_it(audit: Audit, clock: Clock) -> None:
    head = audit.append(entry())

    [row] = audit.of("T1").rows
    assert (row.number, row.actor, row.action, row.subject) == (1, AGENT, "requested", CASE)
    assert json.loads(row.facts) == entry().facts
    assert row.at == datetime.fromtimestamp(clock(), UTC).isoformat()
    assert head == AuditHead(number=1, hash=row.hash)
    assert audit.of("T1").problems() == []


def test_rows_are_chained(audit: Audit) -> None:
    heads = [audit.append(entry(number)) for number in (1, 2, 3)]

    chain = audit.of("T1")
    assert [row.number for row in chain.rows] == [1, 2, 3]
    assert [row.previous for row in chain.rows] == ["", heads[0].hash, heads[1].hash]
    assert chain.head == heads[-1]
    assert chain.problems(heads) == []


def test_the_same_entry_again_is_the_row_that_is_there(audit: Audit, clock: Clock) -> None:
    """Also later, and after others: when it was appended is when that was first tried."""
    first = audit.append(entry(1))
    audit.append(entry(2))
    clock.advance(60)

    assert audit.append(entry(1)) == first
    assert len(audit.of("T1").rows) == 2


def test_an_entry_that_says_something_else_is_a_conflict(audit: Audit) -> None:
    audit.append(entry(1))

    for other in ({"facts": {}}, {"actor": "someone"}, {"action": "x"}, {"subject": "zendesk:1"}):
        with pytest.raises(RecordConflict, match="row 1 of the audit says something else"):
            audit.append(entry(1, **other))
    assert len(audit.of("T1").rows) == 1


def test_an_entry_without_an_id_is_known_by_what_it_says(audit: Audit) -> None:
    audit.append(entry(1, id=None))
    audit.append(entry(1, id=None))
    audit.append(entry(2, id=None))

    assert len(audit.of("T1").rows) == 2


def test_transactions_have_chains_of_their_own(audit: Audit, clock: Clock) -> None:
    audit.append(entry(transaction="T2"))
    clock.advance(1)
    audit.append(entry(transaction="T1"))
    audit.append(entry(transaction="T3", subject="zendesk:9"))

    assert [chain.transaction for chain in audit.of_subject(CASE)] == ["T2", "T1"]
    assert audit.of("T9").rows == ()
    assert audit.of("T9").problems() == []


def test_many_at_once_make_one_chain(audit: Audit) -> None:
    together = threading.Barrier(THREADS)

    def append(number: int) -> AuditHead:
        together.wait()
        return audit.append(entry(number))

    with ThreadPoolExecutor(THREADS) as threads:
        heads = list(threads.map(append, range(THREADS)))

    chain = audit.of("T1")
    assert sorted(head.number for head in heads) == list(range(1, THREADS + 1))
    assert chain.problems(heads) == []


def test_of_many_with_the_same_entry_one_is_appended(audit: Audit) -> None:
    together = threading.Barrier(THREADS)

    def append(_: int) -> AuditHead:
        together.wait()
        return audit.append(entry())

    with ThreadPoolExecutor(THREADS) as threads:
        assert len(set(threads.map(append, range(THREADS)))) == 1
    assert len(audit.of("T1").rows) == 1


def test_nothing_is_appended_to_a_broken_chain(audit: Audit) -> None:
    """Its next row would take the place of one that is there."""
    audit.append(entry(1))
    audit.append(entry(2))
    head = {"transaction": "T1", "number": 0, "count": 1, "hash": "of something"}
    aws.dynamodb().put_item(TableName=audit.table, Item=head)
    before = stored(audit)

    with pytest.raises(OutcomeUnknown, match="see `interlock audit`"):
        audit.append(entry(3))
    assert stored(audit) == before


def test_a_chain_is_read_as_it_was_at_one_moment(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is appended while it is read does not look like one that was put in."""
    audit.append(entry(1))
    torn = chain_of("T1", stored(audit))
    audit.append(entry(2))
    whole = audit.of("T1")
    torn = type(torn)("T1", whole.rows, torn.head)
    reads = iter([torn, whole, whole])
    monkeypatch.setattr(audit, "_read", lambda _: next(reads))

    assert torn.problems() == ["Row 2 is added without the head knowing."]
    assert audit.of("T1") == whole


# ---- Whatever is done to a stored chain is found


def items(length: int) -> list[dict[str, Any]]:
    """A chain as the table holds it."""
    rows: list[AuditRow] = []
    for number in range(1, length + 1):
        rows.append(
            AuditRow(
                transaction="T1",
                number=number,
                id=f"step-{number}",
                at=f"2026-11-20T10:00:0{number}+00:00",
                actor=AGENT,
                action="requested",
                subject=CASE,
                facts='{"step":1}',
                previous=rows[-1].hash if rows else "",
            ).sealed()
        )
    head = {"transaction": "T1", "number": 0, "count": length, "hash": rows[-1].hash}
    return [head, *(row.model_dump() for row in rows)]


def problems(chain: list[dict[str, Any]], *anchors: AuditHead) -> list[str]:
    """What is found in these items."""
    return chain_of("T1", chain).problems(anchors)


def test_a_whole_chain_has_no_problems() -> None:
    assert problems(items(4)) == []


LENGTHS = st.integers(1, 6)
ROWS = st.data()
TEXTS = [name for name in AuditRow.model_fields if name not in ("transaction", "number")]


@given(length=LENGTHS, data=ROWS)
def test_a_changed_row_is_found(length: int, data: st.DataObject) -> None:
    chain = items(length)
    row = chain[data.draw(st.integers(1, length))]
    name = data.draw(st.sampled_from(TEXTS))
    row[name] = data.draw(st.text(max_size=80).filter(lambda text: text != row[name]))

    assert problems(chain)


@given(length=LENGTHS, data=ROWS)
def test_a_changed_row_with_a_hash_of_its_own_is_found(length: int, data: st.DataObject) -> None:
    """The one after it, or the head, does not follow it."""
    chain = items(length)
    position = data.draw(st.integers(1, length))
    actor = data.draw(st.text(min_size=1, max_size=20).filter(lambda text: text != AGENT))
    forged = AuditRow(**chain[position] | {"actor": actor}).sealed()
    chain[position] = forged.model_dump()

    assert problems(chain)


@given(length=LENGTHS, data=ROWS)
def test_a_removed_row_is_found(length: int, data: st.DataObject) -> None:
    chain = items(length)
    number = data.draw(st.integers(0, length))
    del chain[number]

    found = problems(chain)

    assert any(str(number) in each or "head" in each for each in found)


@given(length=LENGTHS, data=ROWS)
def test_a_tail_that_was_cut_off_is_found(length: int, data: st.DataObject) -> None:
    chain = items(length)
    kept = data.draw(st.integers(0, length - 1))

    assert any("cut off" in each for each in problems(chain[: kept + 1]))


@given(length=LENGTHS, number=st.integers(-1, 9) | st.just(Decimal("1.5")))
def test_an_inserted_row_is_found(length: int, number: Any) -> None:
    """One that was never there, or a copy of another, wherever the key lets it be."""
    if number == 0 or (number == int(number) and 1 <= number <= length):
        number = length + 1
    chain = items(length)
    copied = copy.deepcopy(chain[1]) | {"number": number}
    forged = AuditRow(**chain[length] | {"number": length + 1}).sealed().model_dump()

    assert problems([*chain, copied])
    assert problems([*chain, forged])


@given(length=st.integers(2, 6), data=ROWS)
def test_rows_that_changed_places_are_found(length: int, data: st.DataObject) -> None:
    one, other = data.draw(
        st.lists(st.integers(1, length), min_size=2, max_size=2, unique=True), label="rows"
    )
    chain = items(length)
    chain[one]["number"], chain[other]["number"] = other, one

    assert problems(chain)


@given(length=LENGTHS, lost=st.sampled_from(TEXTS), data=ROWS)
def test_a_row_without_one_of_its_parts_is_found(
    length: int, lost: str, data: st.DataObject
) -> None:
    chain = items(length)
    row = chain[data.draw(st.integers(1, length))]
    if row.pop(lost) == "":
        return  # the first one's `previous`: nothing is said in both

    assert problems(chain)


@pytest.mark.parametrize(
    "changed", [{"count": 2}, {"count": 9}, {"count": "3"}, {"hash": "x"}, {"hash": 1}]
)
def test_a_changed_head_is_found(changed: dict[str, Any]) -> None:
    [head, *rows] = items(3)

    assert problems([head | changed, *rows])
    assert problems(rows) == ["The head is missing: how many rows there were is not known."]


@given(length=LENGTHS, data=ROWS)
def test_a_chain_that_was_computed_anew_is_found_by_its_anchor(
    length: int, data: st.DataObject
) -> None:
    """Whole in itself: the events outside of the table say otherwise."""
    chain = items(length)
    anchor = AuditHead(number=length, hash=chain[length]["hash"])
    position = data.draw(st.integers(1, length))
    previous = chain[position]["previous"]
    for number in range(position, length + 1):
        row = AuditRow(**chain[number] | {"actor": "nobody", "previous": previous}).sealed()
        chain[number], previous = row.model_dump(), row.hash
    chain[0]["hash"] = previous

    assert problems(chain) == []
    assert problems(chain, anchor) == [
        f"Row {length} is another one than the audit's outside told of."
    ]


def test_a_chain_that_was_removed_is_found_by_its_anchor() -> None:
    anchor = AuditHead(number=2, hash="h")

    assert verify((), None, [anchor]) == ["Row 2 was told outside of the audit, and is not there."]


def test_each_problem_is_a_sentence() -> None:
    chain = items(5)
    chain[2]["actor"] = "nobody"
    del chain[4]

    assert problems(chain) == [
        "Row 2 was changed: its hash is that of something else.",
        "Row 4 is missing.",
    ]
