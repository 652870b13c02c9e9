"""How a contract changes: each change with the contract before and after it, and its movement.

What is added to a contract, by a renewal or in between, is added as lines with days of their own;
what was there stays as it was. So what is past, and may be booked, never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from interlock.canonical.contracts import (
    ChangeKind,
    Contract,
    ContractChange,
    ContractLine,
    ContractStatus,
    RenewalQuote,
)
from interlock.canonical.money import Money
from interlock.canonical.records import DealKind, Line, LineKind, Opportunity, Order
from interlock.errors import BusinessRuleViolation
from interlock.rules import deal_lines, months, movements
from interlock.rules.renewal_policy import RenewalPolicy


def signed(opportunity: Opportunity, order: Order, policy: RenewalPolicy) -> ContractChange:
    """The contract of an order that has recurring lines, with what the deal says of its renewal.

    Raises BusinessRuleViolation for a ramp that goes on after the term.
    """
    payer = next(each for each in opportunity.accounts if each.id == order.bill_to)
    starts_on = order.start_date
    ends_on = months.later(starts_on, order.term_months)
    contract = Contract(
        id=order.id,
        account_id=opportunity.account.id,
        customer_name=payer.name,
        customer_email=payer.email,
        bill_to=order.bill_to,
        subsidiary=order.subsidiary,
        currency=order.currency,
        payment_terms=order.payment_terms,
        payment_days=order.payment_days,
        starts_on=starts_on,
        ends_on=ends_on,
        renewal=opportunity.renewal or policy.defaults,
        lines=deal_lines.by_days(
            order.lines_of(LineKind.RECURRING),
            starts_on=starts_on,
            ends_on=ends_on,
            record=opportunity.id,
        ),
        deals=(opportunity.id,),
    )
    movement, steps = movements.between(None, contract, on=starts_on, all_is="new")
    return ContractChange(
        kind=ChangeKind.SIGNED,
        before=None,
        after=contract,
        effective_on=starts_on,
        deal_id=opportunity.id,
        order=order,
        movement=movement,
        steps=steps,
    )


def renewed(contract: Contract, quote: RenewalQuote, deal: Opportunity) -> ContractChange:
    """Another term at a price; by a deal that was won, or silently, while it is still open.

    So a deal that is won when the contract has gone on already sells nothing again. Raises
    BusinessRuleViolation for a contract that has ended, or that another one goes on with.
    """
    _refuse(_not_to_go_on(contract), contract.id, "renew_contract")
    after = contract.model_copy(
        update={
            "status": ContractStatus.ACTIVE,
            "ends_on": quote.ends_on,
            "renewal": (deal.renewal if deal.is_won else None) or contract.renewal,
            "renewal_run": 1,
            "lines": contract.lines + quote.lines,
            "deals": (*contract.deals, deal.id),
            "revision": contract.revision + 1,
        }
    )
    movement, steps = movements.between(contract, after, on=quote.starts_on)
    return ContractChange(
        kind=ChangeKind.RENEWED,
        before=contract,
        after=after,
        effective_on=quote.starts_on,
        deal_id=deal.id,
        order=_order(contract, deal.id, quote.lines),
        movement=movement,
        steps=steps,
    )


def amended(
    contract: Contract, deal: Opportunity, *, effective_on: date | None = None
) -> ContractChange:
    """What a won deal adds, from a day (its own start) until the contract's end.

    So through a term that the contract was renewed for already, too. A deal that consolidates
    another contract into this one brings what that one hands over. Raises BusinessRuleViolation
    with everything that speaks against it.
    """
    starts_on = effective_on or deal.start_date
    _refuse(_speaks_against(contract, deal, starts_on), deal.id, "plan_amendment")
    added = deal_lines.by_days(
        deal_lines.recurring(deal), starts_on=starts_on, ends_on=contract.ends_on, record=deal.id
    )
    after = contract.model_copy(
        update={
            "lines": contract.lines + added,
            "deals": (*contract.deals, deal.id),
            "revision": contract.revision + 1,
        }
    )
    all_is = "transferred" if deal.consolidates_into else None
    movement, steps = movements.between(contract, after, on=starts_on, all_is=all_is)
    return ContractChange(
        kind=ChangeKind.AMENDED,
        before=contract,
        after=after,
        effective_on=starts_on,
        deal_id=deal.id,
        order=_order(contract, deal.id, added),
        movement=movement,
        steps=steps,
    )


def ending(
    contract: Contract,
    deal: Opportunity | None = None,
    *,
    handed_over: tuple[ContractLine, ...] | None = None,
) -> ContractChange:
    """It is served until its end, and not renewed, as a deal says, or because nobody said anything.

    With the lines that another contract goes on with from then on, it is consolidated.
    """
    handover = None if handed_over is None else movements.handover(contract, handed_over)
    return _stops(
        contract,
        ChangeKind.ENDING if handover is None else ChangeKind.CONSOLIDATED,
        {"status": ContractStatus.ENDING, "handover": handover},
        deal_id=deal.id if deal else None,
    )


def ended(contract: Contract) -> ContractChange:
    """Its last day is over: the customer leaves, unless another contract goes on with it."""
    change = _stops(contract, ChangeKind.ENDED, {"status": ContractStatus.ENDED})
    movement, _ = movements.between(contract, change.after, on=contract.ends_on, all_is="churn")
    return change.model_copy(update={"movement": contract.handover or movement})


def reverted(change: ContractChange, contract: Contract) -> ContractChange:
    """A change is taken back, by a further one; `contract` is as it is now, changed only by it."""
    after = retired(contract)
    if change.before:
        update = {"revision": contract.revision + 1, "references": contract.references}
        after = change.before.model_copy(update=update)
        if change.kind is not ChangeKind.AMENDED:
            after = to_be_renewed_by_another(after)
    return ContractChange(
        kind=ChangeKind.REVERTED,
        before=contract,
        after=after,
        effective_on=change.effective_on,
        deal_id=change.deal_id,
        movement=movements.taken_back(change.movement),
        steps=tuple(movements.taken_back(step) for step in change.steps),
    )


def to_be_renewed_by_another(contract: Contract) -> Contract:
    """Another run renews this term: what tells of it from now on names that one."""
    return contract.model_copy(update={"renewal_run": contract.renewal_run + 1})


def retired(contract: Contract) -> Contract:
    """Ended on the day that it began: what was signed is still to be seen, and never in force."""
    return contract.model_copy(
        update={
            "status": ContractStatus.ENDED,
            "ends_on": contract.starts_on,
            "lines": tuple(
                line.model_copy(update={"ends_on": line.starts_on}) for line in contract.lines
            ),
            "revision": contract.revision + 1,
        }
    )


def _stops(
    contract: Contract, kind: ChangeKind, update: dict[str, object], deal_id: str | None = None
) -> ContractChange:
    """A change that sells nothing, as of the contract's end, and moves nothing by itself."""
    return ContractChange(
        kind=kind,
        before=contract,
        after=contract.model_copy(update=update | {"revision": contract.revision + 1}),
        effective_on=contract.ends_on,
        deal_id=deal_id,
        movement=movements.nothing(contract.ends_on, contract.currency),
    )


def _order(contract: Contract, id: str, lines: tuple[ContractLine, ...]) -> Order:
    """What was sold, as the books have it: from its first day, in months of which none is split."""
    starts_on = min(line.starts_on for line in lines)
    ends_on = max(line.ends_on for line in lines)
    return Order(
        id=id,
        bill_to=contract.bill_to,
        subsidiary=contract.subsidiary,
        currency=contract.currency,
        payment_terms=contract.payment_terms,
        payment_days=contract.payment_days,
        start_date=starts_on,
        term_months=months.begun_between(starts_on, ends_on),
        lines=tuple(
            Line(
                number=number,
                sku=line.sku,
                description=line.description,
                kind=LineKind.RECURRING,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount=line.amount,
                from_month=months.between(starts_on, line.starts_on),
            )
            for number, line in enumerate(lines, 1)
        ),
        net=Money.total((line.amount for line in lines), contract.currency),
    )


def _speaks_against(contract: Contract, deal: Opportunity, starts_on: date) -> Iterator[str]:
    if deal.kind == DealKind.AMENDMENT and deal.contract_id != contract.id:
        yield f"the deal amends {deal.contract_id or 'no contract'}: correct it in the CRM"
    if deal.kind != DealKind.AMENDMENT and deal.consolidates_into != contract.id:
        yield f"the deal is a {deal.kind} one, which does not amend the contract: correct its kind"
    if deal.kind == DealKind.AMENDMENT and deal.account.id != contract.account_id:
        yield (
            f"the deal is with {deal.account.name} ({deal.account.id}), the contract with"
            f" {contract.account_id}: correct the deal's contract or account in the CRM"
        )
    if not deal.is_won:
        yield "the deal is not won any more: nothing is sold by it"
    if deal.id in contract.deals:
        yield "the deal is in the contract already"
    yield from _not_to_go_on(contract)
    if not contract.starts_on <= starts_on < contract.ends_on:
        yield (
            f"the deal starts on {starts_on}, and the contract lasts from {contract.starts_on}"
            f" until before {contract.ends_on}: correct the deal's start date, or sell it anew"
        )
    yield from deal_lines.problems(deal, contract)
    for line in deal_lines.recurring(deal):
        if line.amount.amount < 0:
            yield (
                f"line {line.number} ({line.sku}) takes {-line.amount} a year away: a contract is"
                " reduced at its renewal, on the renewal's deal"
            )


def _not_to_go_on(contract: Contract) -> Iterator[str]:
    if contract.status == ContractStatus.ENDED:
        yield f"the contract {contract.id} has ended: sell it anew"
    elif contract.handover:
        yield (
            f"another contract goes on with the products of {contract.id} from"
            f" {contract.ends_on} on: sell what is new on that one"
        )


def _refuse(found: Iterator[str], record: str, operation: str) -> None:
    if problems := list(found):
        raise BusinessRuleViolation(problems, operation=operation, record=record)
