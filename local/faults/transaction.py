"""One transaction under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Transaction:
    """One transaction under test.

    Every event of it contains `mark`; `records` are the canonical ids that it writes under, itself
    or as `<id>/…`; `begin` makes it happen in the system where it starts. `made` are the canonical
    ids of what it has made there that workflows of their own follow up: their runs are a part of
    it. `swept_by` is the function that tells of it when no event did, and `answer` what a person
    decides who is asked to approve it, None when nobody does.
    """

    mark: str
    records: tuple[str, ...]
    begin: Callable[[], None]
    made: Callable[[], tuple[str, ...]] = tuple
    swept_by: str | None = None
    answer: Literal["approve", "reject"] | None = "approve"

    @property
    def all_records(self) -> tuple[str, ...]:
        """Those of what it has made too."""
        return (*self.records, *self.made())

    @property
    def all_marks(self) -> tuple[str, ...]:
        """What its runs and those of what it has made are named by."""
        return (self.mark, *(record.partition(":")[2] for record in self.made()))
