"""A connection's row in the template's table."""

from __future__ import annotations

import itertools

import pytest
from interlock.budget.row import SharedRow

from tests.unit.conftest import Cloud

_numbers = itertools.count(1)


@pytest.fixture
def row(cloud: Cloud) -> SharedRow:
    """Nobody has used it yet."""
    return SharedRow(cloud.table("BudgetsTable"), "stripe")


def another(row: SharedRow) -> SharedRow:
    """The row of another connection, as new."""
    return SharedRow(row.table, f"connection-{next(_numbers)}")
