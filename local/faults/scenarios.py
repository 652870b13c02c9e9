"""How a transaction of each workflow begins: all that the harness needs to know of a workflow."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from local.environment import LocalEnvironment
from local.sandboxes.salesforce_seed import USD_DEAL, DealSample, close_won, create_deal

_numbers = itertools.count(1)


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


def lead_to_order(environment: LocalEnvironment, sample: DealSample = USD_DEAL) -> Transaction:
    """A deal of its own, then it is won.

    The first sample has a parent account, recurring and services lines.
    """
    organization = environment.organization
    # It was entered long ago: the events of that are not part of the transaction.
    publish, organization.on_change = organization.on_change, None
    with organization.transaction():
        deal = create_deal(organization, sample, suffix=f"No{next(_numbers)}")
    organization.on_change = publish
    return lead_to_order_of(environment, deal)


def lead_to_order_of(environment: LocalEnvironment, deal: str) -> Transaction:
    """A deal that is there already, then it is won."""
    organization = environment.organization
    ids = [deal]
    account = organization.get("Opportunity", deal)["AccountId"]
    while account:
        ids.append(account)
        account = organization.get("Account", account)["ParentId"]
    records = tuple(f"salesforce:{each}" for each in ids)
    return Transaction(deal, records, lambda: close_won(organization, deal))


BEGINNINGS: dict[str, Callable[[LocalEnvironment], Transaction]] = {
    "lead_to_order": lead_to_order,
}
"""By the name of the workflow's definition."""
