"""Find which accounts of a hierarchy are already customers of the ERP."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import Canonical
from interlock.connectors.erp.port import CustomerCriteria
from interlock.crossref import CrossReferences, reference
from interlock.handler import operation
from interlock.rules import customer_match
from interlock.rules.account_hierarchy import AccountHierarchy


class MatchCustomers(Command):
    """The sound hierarchy. A team's link answers an ambiguous account: an id, or "new"."""

    hierarchy: AccountHierarchy


class MatchedCustomers(Canonical):
    """Account id to customer id, for those that are customers."""

    customers: dict[str, str]


@operation
def handler(command: MatchCustomers) -> MatchedCustomers:
    """By cross-reference, then external id, tax id, domain; remembered, but not by a dry run."""
    erp, system = connections.erp(), connections.current().name
    crossref = CrossReferences.load()
    found: dict[str, str] = {}
    for account in command.hierarchy.accounts:
        key = reference("customer", account.id)
        customer = command.link_for(account.id) or crossref.get(key, system)
        if customer is None:
            criteria = CustomerCriteria.of(account)
            candidates = erp.find_customer_candidates(criteria)
            customer = customer_match.match(account, candidates, taken=set(found.values()))
        if customer not in (None, customer_match.NEW):
            remote_id = erp.get_customer(customer).remote_id
            if not command.dry_run:
                crossref.link(key, system, remote_id)
            found[account.id] = customer
    return MatchedCustomers(customers=found)
