"""Let the customer's own credit pay an invoice in the ERP, as far as it did in billing."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import CalendarDay
from interlock.canonical.billing import Invoice
from interlock.canonical.books import PostedDocument, PostedEntry
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation
from interlock.rules import entries


class ApplyCustomerCredit(Command):
    """The invoice in billing and in the books, and the day to post on; the credit is waited for."""

    invoice: Invoice
    posted: PostedDocument
    posting_date: CalendarDay


@operation
def handler(command: ApplyCustomerCredit) -> PostedEntry | None:
    """The application in the books; None for an invoice that was reversed meanwhile."""
    erp, posted = connections.erp(), command.posted
    credit = entries.of_customer_credit(command.invoice)
    if not command.dry_run and erp.find_invoice(posted.id) is None:
        return None
    # Of this document in the books: one that is reversed and posted anew is another one there.
    record = f"{posted.id}/{posted.remote_id}"
    effect = Effect(
        key=EffectKey(connections.current().name, "apply_customer_credit", record),
        entity="customer_credit",
        content=credit,
        origin="billing",
        command=command,
        result=PostedEntry,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.apply_customer_credit(
            credit.amount, posting_date=command.posting_date, invoice_remote_id=posted.remote_id
        ),
        find=lambda: erp.find_customer_credit(posted.id),
        read=erp.get_entry,
    )
