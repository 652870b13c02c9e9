"""Cross-references: one canonical id, each system's id for it, through merges and deletions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from interlock import aws
from interlock.crossref import CrossReferences, reference
from interlock.errors import RecordConflict, RecordNotFound

from tests.unit.conftest import Clock, Cloud

CALDER = reference("customer", "salesforce:001A")
MERGED = reference("customer", "salesforce:001B")


@pytest.fixture
def crossref(cloud: Cloud, clock: Clock) -> CrossReferences:
    """Nothing is remembered yet."""
    return CrossReferences(cloud.table("CrossReferencesTable"), clock, aws.dynamodb())


def test_each_system_has_its_own_id(crossref: CrossReferences) -> None:
    crossref.link(CALDER, "tryton", "42")
    crossref.link(CALDER, "stripe", "cus_1")

    assert crossref.get(CALDER, "tryton") == "42"
    assert crossref.require(CALDER, "stripe") == "cus_1"


def test_what_is_not_there_yet(crossref: CrossReferences) -> None:
    assert crossref.get(CALDER, "tryton") is None
    with pytest.raises(RecordNotFound, match="is not in tryton yet") as missing:
        crossref.require(CALDER, "tryton")
    assert missing.value.record == CALDER


def test_the_same_link_again_is_harmless_another_is_a_conflict(crossref: CrossReferences) -> None:
    crossref.link(CALDER, "tryton", "42")
    crossref.link(CALDER, "tryton", "42")

    with pytest.raises(RecordConflict, match="another record of tryton than 43"):
        crossref.link(CALDER, "tryton", "43")
    assert crossref.get(CALDER, "tryton") == "42"


def test_a_remote_id_is_found_among_its_own_kind(crossref: CrossReferences) -> None:
    """A system numbers customers and orders apart: both may be 42."""
    order = reference("order", "salesforce:006A")
    crossref.link(CALDER, "tryton", "42")
    crossref.link(order, "tryton", "42")
    crossref.link(reference("customer", "salesforce:001C"), "netsuite", "42")

    assert crossref.find("customer", "tryton", "42") == CALDER
    assert crossref.find("order", "tryton", "42") == order
    assert crossref.find("project", "tryton", "42") is None


def test_a_merged_record_answers_for_the_surviving_one(crossref: CrossReferences) -> None:
    last = reference("customer", "salesforce:001C")
    crossref.link(CALDER, "tryton", "42")
    crossref.link(last, "tryton", "44")

    crossref.merge(MERGED, into=CALDER)
    crossref.merge(last, into=MERGED)

    assert crossref.get(MERGED, "tryton") == "42"
    assert crossref.get(last, "tryton") == "42"


@pytest.mark.parametrize("length", [0, 1, 3])
def test_records_are_not_merged_in_a_circle(crossref: CrossReferences, length: int) -> None:
    chain = [reference("customer", f"salesforce:{number}") for number in range(length + 1)]
    for merged, into in pairwise(chain):
        crossref.merge(merged, into=into)

    with pytest.raises(RecordConflict, match="already merged"):
        crossref.merge(chain[-1], into=chain[0])
    assert crossref.get(chain[0], "tryton") is None


def test_a_deleted_record_is_remembered_as_deleted(crossref: CrossReferences) -> None:
    crossref.link(CALDER, "tryton", "42")
    crossref.merge(MERGED, into=CALDER)

    crossref.bury(CALDER)

    for canonical_id in (CALDER, MERGED):
        with pytest.raises(RecordNotFound, match="was deleted"):
            crossref.get(canonical_id, "tryton")


def test_the_store_of_a_function(cloud: Cloud, environment) -> None:
    environment(CROSSREF_TABLE="crossref")

    assert CrossReferences.load().table == "crossref"
