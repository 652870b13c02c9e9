"""One transaction under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Transaction:
    """One transaction under test.

    Every event of it contains `mark`; `records` are the canonical ids that it writes under, itself
    or as `<id>/…`; `begin` makes it happen in the system where it starts.
    """

    mark: str
    records: tuple[str, ...]
    begin: Callable[[], None]

    def owns(self, record: str) -> bool:
        """Whether a canonical id is of this transaction."""
        return record.split("/")[0] in self.records
