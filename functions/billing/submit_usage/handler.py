"""Submit what a customer used of a metered product to the billing system."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.billing import PlacedUsage
from interlock.connectors.billing.port import SubmittedUsage
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation
from interlock.rules.usage_window import again


class SubmitUsage(Command):
    """The usage, under an id that the product gave it, as it is placed by now."""

    placed: PlacedUsage


@operation
def handler(command: SubmitUsage) -> SubmittedUsage:
    """Told twice, it is submitted once."""
    billing, system = connections.billing(), connections.current().name
    placed, usage = command.placed, command.placed.usage
    customer = CrossReferences.load().require(reference("customer", usage.customer_id), system)
    effect = Effect(
        key=EffectKey(system, "submit_usage", usage.id),
        entity="usage",
        content=usage,
        origin="integration",
        command=command,
        result=SubmittedUsage,
        terms=placed.model_dump_json(),
    )

    def submit(key: str) -> SubmittedUsage:
        first = PlacedUsage.model_validate_json(ledger().first_terms(effect.key))
        return billing.submit_usage(
            again(placed, first), first=first, customer_remote_id=customer, idempotency_key=key
        )

    def read(remote_id: str) -> SubmittedUsage:
        return SubmittedUsage(id=usage.id, remote_id=remote_id)

    return ledger().once(effect, perform=submit, find=lambda: None, read=read)
