"""What a customer is entitled to: by all its contracts, and by who suspended it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from interlock.canonical.contracts import Contract, ContractLine, ContractStatus
from interlock.canonical.services import Entitlement, Service, ServiceState, Suspension

DAY = timedelta(days=1)


def assess(
    account_id: str, contracts: Iterable[Contract], suspension: Suspension | None, today: date
) -> Service:
    """What holds on a day.

    A contract that nobody has decided upon is served on after its end as on its last day. One that
    is not renewed is served until its end, and on that day: billing ends it at noon. A customer
    whose contract has yet to begin is an active one that is entitled to nothing so far.
    """
    lasting = [each for each in contracts if not _is_over(each, today)]
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    for contract in lasting:
        for line in _served(contract, today):
            quantities[line.sku] += line.quantity
    ends = [each.ends_on for each in lasting if _ends(each)]
    state = ServiceState.ACTIVE if lasting else ServiceState.ENDED
    if lasting and suspension:
        state = ServiceState.SUSPENDED
    return Service(
        account_id=account_id,
        state=state,
        entitlements=tuple(
            Entitlement(sku=sku, quantity=quantity) for sku, quantity in sorted(quantities.items())
        ),
        until=min(ends) - DAY if ends else None,
        reason=suspension.reason if state == ServiceState.SUSPENDED else None,
    )


def _is_over(contract: Contract, today: date) -> bool:
    return contract.status == ContractStatus.ENDED or (
        contract.status == ContractStatus.ENDING and today > contract.ends_on
    )


def _served(contract: Contract, today: date) -> tuple[ContractLine, ...]:
    return contract.lines_on(min(today, contract.ends_on - DAY))


def _ends(contract: Contract) -> bool:
    """Whether its products end with it: no other contract goes on with them."""
    return contract.status == ContractStatus.ENDING and contract.handover is None
