"""Enter a payment in the ERP, and let it pay its invoice."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.base import CalendarDay
from interlock.canonical.billing import Payment
from interlock.canonical.books import PostedEntry
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation
from interlock.rules import entries


class ApplyPayment(Command):
    """The confirmed payment, and the day to post it on; its invoice is waited for."""

    payment: Payment
    posting_date: CalendarDay


@operation
def handler(command: ApplyPayment) -> PostedEntry:
    """The payment in the books."""
    erp, system, payment = connections.erp(), connections.current().name, command.payment
    if not command.link_for(payment.id):
        entries.check_received(payment)
    invoice = CrossReferences.load().awaited(reference("invoice", payment.invoice_id), system)
    effect = Effect(
        key=EffectKey(system, "apply_payment", payment.id),
        entity="payment",
        content=payment,
        origin="billing",
        command=command,
        result=PostedEntry,
    )
    return ledger().once(
        effect,
        perform=lambda _: erp.apply_payment(
            payment, posting_date=command.posting_date, invoice_remote_id=invoice
        ),
        find=lambda: erp.find_payment(payment.id),
        read=erp.get_entry,
    )
