"""Is the account hierarchy sound, and who gets the bill? The pure rule."""

from interlock.canonical import Command, Opportunity
from interlock.handler import operation
from interlock.rules import account_hierarchy
from interlock.rules.account_hierarchy import AccountHierarchy


class ValidateAccountHierarchy(Command):
    """The deal, with its account's ancestors."""

    opportunity: Opportunity


@operation
def handler(command: ValidateAccountHierarchy) -> AccountHierarchy:
    """The accounts from the ultimate parent down, or what is wrong with them."""
    return account_hierarchy.validate(command.opportunity.accounts)
