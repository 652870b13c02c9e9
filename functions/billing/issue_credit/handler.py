"""Issue credit notes in the billing system, one for each invoice that is credited."""

from interlock import connections
from interlock.canonical import Canonical, Command
from interlock.canonical.credits import Credit, IssuedCredit
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class IssueCredit(Command):
    """The credits; the id of each is stable per case and invoice."""

    credits: tuple[Credit, ...]


class IssuedCredits(Canonical):
    """In the order of the credits."""

    credits: tuple[IssuedCredit, ...]


@operation
def handler(command: IssueCredit) -> IssuedCredits:
    """Each once: another attempt goes on with those that are missing."""
    billing, system = connections.billing(), connections.current().name

    def issued(credit: Credit) -> IssuedCredit:
        effect = Effect(
            key=EffectKey(system, "issue_credit", credit.id),
            entity="credit",
            content=credit,
            origin="contract",
            command=command,
            result=IssuedCredit,
        )
        return ledger().once(
            effect,
            perform=lambda key: billing.issue_credit(credit, idempotency_key=key),
            find=lambda: billing.find_credit(credit.id, invoice_id=credit.invoice_id),
            read=billing.get_credit,
        )

    return IssuedCredits(credits=tuple(map(issued, command.credits)))
