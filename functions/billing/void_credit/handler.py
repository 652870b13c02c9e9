"""Compensation: take back the credit notes that this transaction issued."""

from interlock import connections
from interlock.canonical import Canonical, Compensation
from interlock.canonical.credits import Credit
from interlock.effects import EffectKey, Undone, ledger
from interlock.handler import operation


class VoidCredit(Compensation):
    """The credits, issued or not."""

    credits: tuple[Credit, ...]


class VoidedCredits(Canonical):
    """What was taken back of each, in the order of the credits."""

    credits: tuple[Undone, ...]


@operation
def handler(command: VoidCredit) -> VoidedCredits:
    """Each that is there; another attempt goes on with those that are left."""
    billing, system = connections.billing(), connections.current().name

    def voided(credit: Credit) -> Undone:
        return ledger().undo(
            EffectKey(system, "issue_credit", credit.id),
            command=command,
            entity="credit",
            find=lambda: billing.find_credit(credit.id, invoice_id=credit.invoice_id),
            cancel=billing.void_credit,
        )

    return VoidedCredits(credits=tuple(map(voided, command.credits)))
