"""Tell a case in the support system what became of its request for a credit."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.credits import CreditOutcome
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class UpdateCase(Command):
    """What became of it."""

    outcome: CreditOutcome


@operation
def handler(command: UpdateCase) -> CreditOutcome:
    """The outcome, told once: what was granted may be cancelled later, which is another one."""
    support, outcome = connections.support(), command.outcome
    record = f"{outcome.case_id}/{outcome.transaction}/{outcome.status.name.lower()}"
    # A case does not tell the rest again.
    in_fields = outcome.model_copy(update={"documents": (), "reasons": ()})

    def find() -> CreditOutcome | None:
        present = support.read_credit_outcome(outcome.case_id)
        return outcome if present == in_fields else None

    effect = Effect(
        key=EffectKey(connections.current().name, "update_case", record),
        entity="credit_outcome",
        content=outcome,
        origin="integration",
        command=command,
        result=CreditOutcome,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda _: support.write_credit_outcome(outcome),
        find=find,
        read=lambda _: support.read_credit_outcome(outcome.case_id) or outcome,
    )
