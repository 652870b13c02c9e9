"""Which customer of the ERP is this account? Certain, or a person decides."""

from __future__ import annotations

from interlock.canonical import Account
from interlock.connectors.erp.port import CustomerCandidate
from interlock.errors import BusinessRuleViolation

# What a team links an account to that is none of the candidates.
NEW = "new"


def match(
    account: Account, candidates: tuple[CustomerCandidate, ...], *, taken: set[str]
) -> str | None:
    """The customer's id in the ERP, None when the account is not a customer yet.

    A candidate by external id or tax id is certain when it is the only one. A domain is often
    shared by a group's companies, so it counts only together with the name. `taken` are customers
    that already stand for another account of the same hierarchy. Raises BusinessRuleViolation when
    it is ambiguous.
    """
    free = [candidate for candidate in candidates if candidate.remote_id not in taken]
    if not free:
        return None
    same_name = [c for c in free if c.name.casefold() == account.name.casefold()]
    certain = free if free[0].by != "domain" else same_name
    if len(certain) == 1:
        return certain[0].remote_id
    listed = ", ".join(f"{c.name} (customer {c.remote_id})" for c in free)
    raise BusinessRuleViolation(
        [
            f"{account.name} may be one of these customers, by {free[0].by.replace('_', ' ')}:"
            f" {listed}: link the right one, or link it to {NEW!r} to have it created"
        ],
        operation="match_customer",
        record=account.id,
    )
