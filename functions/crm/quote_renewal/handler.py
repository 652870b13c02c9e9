"""Tell sales, on the deal in the CRM, what a renewal costs."""

from typing import Annotated

from interlock import connections
from interlock.canonical import Command
from interlock.canonical.contracts import Quoted, QuotedDeal
from interlock.effects import Effect, EffectKey, ledger
from interlock.handler import operation
from pydantic import Field


class QuoteRenewal(Command):
    """The price for a deal; the `round` counts those that a run tells."""

    quoted: QuotedDeal
    round: Annotated[int, Field(ge=0)]


@operation
def handler(command: QuoteRenewal) -> Quoted:
    """Write it once a round, unless it is there already."""
    crm, wanted = connections.crm(), command.quoted.told
    deal_id = wanted.deal_id

    def find() -> Quoted | None:
        present = crm.read_quote(deal_id)
        return present if present == wanted else None

    record = f"{deal_id}/{command.correlation_id}/{command.round}"
    effect = Effect(
        key=EffectKey(connections.current().name, "quote_renewal", record),
        entity="quote",
        content=wanted,
        origin="contract",
        command=command,
        result=Quoted,
        creates=False,
    )
    return ledger().once(
        effect,
        perform=lambda _: find() or crm.quote_renewal(command.quoted),
        find=find,
        read=lambda _: crm.read_quote(deal_id),
    )
