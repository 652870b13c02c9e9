"""The customers of the books, as the other systems know them."""

from __future__ import annotations

from functools import lru_cache

from interlock.canonical.books import Fact
from interlock.crossref import CrossReferences, reference

# So many customers' accounts are remembered by a process.
REMEMBERED = 10_000


def with_accounts(facts: tuple[Fact, ...], system: str) -> tuple[Fact, ...]:
    """Facts whose customers are accounts where a cross-reference says whose.

    A customer that people made in the ERP has an id of its own there, whoever orders as it.
    """
    return tuple(_with_account(fact, system) for fact in facts)


def _with_account(fact: Fact, system: str) -> Fact:
    born_in, _, remote_id = (fact.customer_id or "").partition(":")
    account = _account(system, remote_id) if born_in == system else None
    return fact.model_copy(update={"customer_id": account}) if account else fact


@lru_cache(REMEMBERED)
def _account(system: str, remote_id: str) -> str | None:
    canonical_id = CrossReferences.load().find("customer", system, remote_id)
    return canonical_id and canonical_id.removeprefix(reference("customer", ""))
