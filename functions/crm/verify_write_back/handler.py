"""Read the opportunity back: it carries what we wrote, and is still the deal that we ordered."""

from interlock import connections
from interlock.canonical import Command, Opportunity, WriteBack
from interlock.errors import RecordConflict
from interlock.handler import operation
from interlock.rules.account_hierarchy import MAX_DEPTH


class VerifyWriteBack(Command):
    """The snapshot that the order was made of, and the fields that were written."""

    opportunity: Opportunity
    write_back: WriteBack


@operation
def handler(command: VerifyWriteBack) -> WriteBack:
    """What the CRM holds. Raises RecordConflict when it, or the deal, is different by now.

    A dry run has written nothing that could be read back.
    """
    crm = connections.crm()
    snapshot = command.opportunity
    written = crm.read_write_back(snapshot.id)
    if not command.dry_run and written != command.write_back:
        raise RecordConflict(
            "the opportunity does not carry the order that was written: set its fields and retry,"
            " or skip this step",
            operation="verify_write_back",
            record=snapshot.id,
        )
    current = crm.get_opportunity(snapshot.id, hierarchy_depth=MAX_DEPTH + 1)
    if current.agreed() != snapshot.agreed():
        raise RecordConflict(
            "the deal was changed while its order was made: compensate and let it be won again, or"
            " amend the order by hand and skip this step",
            operation="verify_write_back",
            record=snapshot.id,
        )
    return written
