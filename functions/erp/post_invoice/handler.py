"""Post an invoice of the billing system in the ERP's books."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.books import PostedDocument, Posting
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class PostInvoice(Command):
    """The invoice as it is to be entered; its customer is in the ERP already."""

    posting: Posting


@operation
def handler(command: PostInvoice) -> PostedDocument:
    """The invoice in the books, with the ERP's own figures."""
    erp, system, posting = connections.erp(), connections.current().name, command.posting
    customer = reference("customer", posting.customer_id)
    effect = Effect(
        key=EffectKey(system, "post_invoice", posting.id),
        entity="invoice",
        content=posting.on_any_day(),
        origin="billing",
        command=command,
        result=PostedDocument,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.post_invoice(
            posting, customer_remote_id=CrossReferences.load().require(customer, system)
        ),
        find=lambda: erp.find_invoice(posting.id),
        read=erp.get_document,
    )
