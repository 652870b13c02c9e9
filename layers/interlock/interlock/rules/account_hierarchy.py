"""Is the account hierarchy sound, in which order are its customers made, and who gets the bill?"""

from __future__ import annotations

from interlock.canonical import Account
from interlock.canonical.base import Canonical, RecordId
from interlock.errors import BusinessRuleViolation

# Deeper ones exist, by mistake: a group's real legal tree in a CRM rarely has more levels.
MAX_DEPTH = 5


class AccountHierarchy(Canonical):
    """A sound hierarchy: `accounts` from the ultimate parent down to the account of the deal."""

    accounts: tuple[Account, ...]
    ultimate_parent: RecordId
    bill_to: RecordId


def validate(accounts: tuple[Account, ...]) -> AccountHierarchy:
    """The hierarchy of a deal's account, given from the account upwards.

    The bill goes to the nearest account that has a billing address. Raises BusinessRuleViolation
    for a cycle, for more than `MAX_DEPTH` levels, and when no account has a billing address.
    """
    problems = []
    names = [f"{account.name} ({account.id})" for account in accounts]
    if len({account.id for account in accounts}) < len(accounts):
        problems.append(
            f"the account hierarchy has a cycle: {' → '.join(names)}: correct a parent in the CRM"
        )
    elif len(accounts) > MAX_DEPTH:
        problems.append(
            f"the account hierarchy has more than {MAX_DEPTH} levels: {' → '.join(names)}:"
            " shorten it in the CRM"
        )
    payer = next((account for account in accounts if account.billing_address), None)
    if payer is None:
        problems.append(
            f"neither {names[0]} nor a parent has a billing address with a country: enter one in"
            " the CRM, tax depends on it"
        )
    if problems or payer is None:
        raise BusinessRuleViolation(
            problems, operation="validate_account_hierarchy", record=accounts[0].id
        )
    return AccountHierarchy(
        accounts=tuple(reversed(accounts)), ultimate_parent=accounts[-1].id, bill_to=payer.id
    )
