"""What the effect ledger relies on: a `find_` finds the record by its business key, whatever else.

A write whose answer was lost is looked up before it is made again. One that is not found is made
twice; one that is somebody else's is taken for ours. Each port's tests hold every `find_` of every
adapter to `FindContract`.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from interlock.errors import OutcomeUnknown, RecordConflict

Edit = dict[str, Any]

SIMILAR: dict[str, Callable[[str], str]] = {
    "a prefix": lambda key: key[:-1],
    "longer": lambda key: f"{key}2",
    "another case": str.swapcase,
    "what a wildcard would match": lambda key: key.replace("_", "-"),
    "another system's": lambda key: key.replace("crm:", "erp:"),
}
STRANGE = ["crm:o'brien", 'crm:"', "crm:%", "crm:_", "crm:\\", "crm:é"]


class Finding(ABC):
    """One `find_` at one vendor, and how its records come to be and change."""

    own_edits: tuple[Edit, ...] = ({},)
    """How what we want to write may change between two attempts."""

    page_size: int = 100
    """How many records the vendor lists at once."""

    @abstractmethod
    def make(self, key: str) -> str:
        """Make the record through the adapter, as the ledger does: its id there."""

    @abstractmethod
    def find(self, key: str, edit: Edit) -> Any:
        """Look it up, with what we want to write now."""

    @abstractmethod
    def answer_lost(self) -> AbstractContextManager[None]:
        """The answer to what makes the record is lost, once it was applied."""

    @abstractmethod
    def edit_there(self, key: str, remote_id: str) -> None:
        """Somebody changes at the vendor whatever people change: not the key."""

    @abstractmethod
    def crowd(self, key: str) -> None:
        """Let the lists that are looked through have a page of other records more."""

    @abstractmethod
    def make_by_hand(self, key: str) -> bool:
        """Somebody makes another record with the same key; False where the vendor refuses."""


class FindContract:
    """What holds for each `find_`; a subclass has the fixture `finding`."""

    @pytest.fixture
    def key(self) -> str:
        """A canonical id that no other test has: letters of both cases, and a wildcard of SQL."""
        return f"crm:{uuid.uuid4().hex[:12]}A_b1"

    def test_found_as_it_was_made(self, finding: Finding, key: str) -> None:
        remote_id = finding.make(key)

        found = finding.find(key, {})

        assert (found.id, found.remote_id) == (key, remote_id)

    def test_found_after_its_answer_was_lost_however_it_was_edited_since(
        self, finding: Finding, key: str
    ) -> None:
        with finding.answer_lost(), pytest.raises(OutcomeUnknown):
            finding.make(key)

        for edit in ({}, *finding.own_edits):
            found = finding.find(key, edit)
            assert found is not None, f"lost with {edit}"
            assert found.id == key

    def test_found_although_it_was_edited_there(self, finding: Finding, key: str) -> None:
        remote_id = finding.make(key)
        finding.edit_there(key, remote_id)

        for edit in ({}, *finding.own_edits):
            found = finding.find(key, edit)
            assert found is not None, f"lost with {edit}"
            assert found.remote_id == remote_id

    def test_never_somebody_elses(self, finding: Finding, key: str) -> None:
        for kind, similar in SIMILAR.items():
            finding.make(similar(key))
            assert finding.find(key, {}) is None, kind

    def test_no_key_is_more_than_text(self, finding: Finding, key: str) -> None:
        finding.make(key)

        for strange in STRANGE:
            assert finding.find(strange, {}) is None, strange

    def test_found_beyond_the_first_page(self, finding: Finding, key: str) -> None:
        finding.crowd(key)
        remote_id = finding.make(key)
        finding.crowd(key)

        for edit in ({}, *finding.own_edits):
            assert finding.find(key, edit).remote_id == remote_id

    def test_several_are_a_conflict_and_none_is_picked(self, finding: Finding, key: str) -> None:
        remote_id = finding.make(key)
        made = finding.make_by_hand(key)

        for edit in ({}, *finding.own_edits):
            if made:
                with pytest.raises(RecordConflict):
                    finding.find(key, edit)
            else:
                assert finding.find(key, edit).remote_id == remote_id
