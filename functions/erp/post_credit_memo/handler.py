"""Post a credit note of the billing system in the ERP's books."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.books import PostedDocument, Posting
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class PostCreditMemo(Command):
    """The credit note as it is to be entered; the invoice it credits is waited for."""

    posting: Posting


@operation
def handler(command: PostCreditMemo) -> PostedDocument:
    """The credit memo in the books, with the ERP's own figures."""
    erp, system, posting = connections.erp(), connections.current().name, command.posting
    crossref = CrossReferences.load()
    invoice = crossref.awaited(reference("invoice", posting.credits), system)
    customer = crossref.require(reference("customer", posting.customer_id), system)
    effect = Effect(
        key=EffectKey(system, "post_credit_memo", posting.id),
        entity="credit_note",
        content=posting.on_any_day(),
        origin="billing",
        command=command,
        result=PostedDocument,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.post_credit_memo(
            posting, customer_remote_id=customer, invoice_remote_id=invoice
        ),
        find=lambda: erp.find_credit_memo(posting.id),
        read=erp.get_document,
    )
