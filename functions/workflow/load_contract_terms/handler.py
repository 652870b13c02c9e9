"""The contract terms of a customer, as they are now: a run keeps them to its end."""

from interlock import contract_terms
from interlock.canonical import Command
from interlock.canonical.base import RecordId
from interlock.handler import operation
from interlock.rules.contract_terms import AppliedTerms


class LoadContractTerms(Command):
    """The customer's account; None when nobody knows it: the default terms are."""

    account_id: RecordId | None = None


@operation
def handler(command: LoadContractTerms) -> AppliedTerms:
    """The terms that are in force for the account."""
    return contract_terms.in_force().of(command.account_id)
