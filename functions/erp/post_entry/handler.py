"""Post a journal entry in the ERP: a refund, a dispute, a payout."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.books import Entry, PostedEntry
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class PostEntry(Command):
    """The entry; the document that it settles is waited for."""

    entry: Entry


@operation
def handler(command: PostEntry) -> PostedEntry:
    """The entry in the books."""
    erp, system, entry = connections.erp(), connections.current().name, command.entry
    crossref = CrossReferences.load()
    customer = entry.customer_id and crossref.require(
        reference("customer", entry.customer_id), system
    )
    settles = entry.settles and crossref.awaited(reference("credit_note", entry.settles), system)
    effect = Effect(
        key=EffectKey(system, "post_entry", entry.id),
        entity="entry",
        content=entry.on_any_day(),
        origin="billing",
        command=command,
        result=PostedEntry,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.post_entry(
            entry, customer_remote_id=customer, settles_remote_id=settles
        ),
        find=lambda: erp.find_entry(entry.id),
        read=erp.get_entry,
    )
