"""The two parts of the workflow tests, which may run in a process each."""

from __future__ import annotations

PARTS = ("orders", "money")
MONEY = ("test_billing", "test_credit", "test_customer_credit", "test_dunning")
"""How the files of the second part begin."""


def part_of(nodeid: str) -> str:
    """The part that a test belongs to; a test that says it for itself is there once for each."""
    file, _, test = nodeid.rpartition("/")[2].partition("::")
    said = next((part for part in PARTS if test.endswith(f"[{part}]")), None)
    return said or PARTS[file.startswith(MONEY)]
