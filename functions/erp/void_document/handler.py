"""Reverse the posting of an invoice or a credit note that was voided in the billing system."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import CalendarDay
from interlock.canonical.books import PostedDocument
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation
from interlock.rules.bookable import Voidable


class VoidDocument(Command):
    """The voided document, and the day to post its reversal on."""

    document: Voidable
    today: CalendarDay


@operation
def handler(command: VoidDocument) -> PostedDocument | None:
    """What reverses it; None for one that was never posted."""
    erp, system, document = connections.erp(), connections.current().name, command.document
    posted = CrossReferences.load().get(reference(document.kind, document.id), system)
    if posted is None:
        return None
    effect = Effect(
        key=EffectKey(system, "void_document", document.id),
        entity="void",
        content=document.final(),
        origin="billing",
        command=command,
        result=PostedDocument,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.reverse_document(posted, posting_date=command.today),
        find=lambda: None,
        read=erp.get_document,
    )
