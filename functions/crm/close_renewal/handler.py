"""Compensation: close the deal that this run opened in the CRM."""

from interlock import connections
from interlock.canonical import Compensation
from interlock.canonical.base import RecordId
from interlock.canonical.contracts import RenewalDeal
from interlock.effects import EffectKey, Undone, ledger
from interlock.errors import RecordNotFound
from interlock.handler import logger, operation


class CloseRenewal(Compensation):
    """The contract, and the renewal's id."""

    contract_id: RecordId
    renewal_id: RecordId


@operation
def handler(command: CloseRenewal) -> Undone:
    """The deal that was closed, if any; what sales made is theirs."""
    crm = connections.crm()

    def find() -> RenewalDeal | None:
        found = crm.find_renewal(command.renewal_id, contract_id=command.contract_id)
        return found if found and found.id == command.renewal_id else None

    def cancel(remote_id: str) -> None:
        try:
            crm.close_renewal(remote_id)
        except RecordNotFound:
            logger.info("the deal was deleted meanwhile: nothing is left to close")

    return ledger().undo(
        EffectKey(connections.current().name, "open_renewal", command.renewal_id),
        command=command,
        entity="renewal_deal",
        find=find,
        cancel=cancel,
    )
