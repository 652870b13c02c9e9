"""Let a contract's subscription charge what the contract says."""

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.contracts import BilledContract, Contract
from interlock.crossref import CrossReferences, reference
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation


class AmendSubscription(Command):
    """The contract as it was changed, or changed back."""

    contract: Contract


@operation
def handler(command: AmendSubscription) -> BilledContract:
    """Once for each revision; one that is overtaken by a later revision changes nothing."""
    billing, system, contract = connections.billing(), connections.current().name, command.contract
    remote_id = CrossReferences.load().require(reference("subscription", contract.id), system)

    def find() -> BilledContract | None:
        billed = billing.get_billed_contract(remote_id)
        return billed if billed.revision >= contract.revision else None

    effect = Effect(
        key=EffectKey(system, "amend_subscription", f"{contract.id}/{contract.revision}"),
        entity="billed_contract",
        content=contract,
        origin="contract",
        command=command,
        result=BilledContract,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda key: billing.amend_subscription(
            contract, remote_id=remote_id, idempotency_key=key
        ),
        find=find,
        read=lambda _: billing.get_billed_contract(remote_id),
    )
