"""Do the lines of a payout agree with the books? Page by page, in the memory of one page."""

from __future__ import annotations

from interlock.canonical import Money
from interlock.canonical.base import Canonical
from interlock.canonical.billing import BalanceKind, BalanceLine
from interlock.canonical.books import Cleared
from interlock.errors import NotYetPosted

# So many differing lines are told; how many more there are is said.
MOST_TOLD = 20
CLOSED = "/closed"
_BOOKED = {
    BalanceKind.PAYMENT: "",
    BalanceKind.REFUND: "",
    BalanceKind.DISPUTE: "",
    BalanceKind.DISPUTE_REVERSAL: CLOSED,
}


class Matching(Canonical):
    """What the lines so far came to: before fees, and the fees. None before the first line.

    `subsidiary` is in whose books they are; `differences` says what is wrong, in words.
    """

    subsidiary: str | None = None
    gross: Money | None = None
    fees: Money | None = None
    lines: int = 0
    differences: tuple[str, ...] = ()
    untold: int = 0

    def net(self, currency: str) -> Money:
        """What reaches the bank."""
        nothing = Money.of(0, currency)
        return (self.gross or nothing) - (self.fees or nothing)


def booked_as(line: BalanceLine) -> str | None:
    """The canonical id of the payment or entry that a line must be in the books as."""
    return line.record_id and f"{line.record_id}{_BOOKED[line.kind]}"


def match(
    lines: tuple[BalanceLine, ...], cleared: dict[str, Cleared], before: Matching
) -> Matching:
    """The matching with one more page of lines. `cleared` is what the books have, by canonical id.

    Raises NotYetPosted when a line's payment, refund or dispute is not in the books yet.
    """
    expected = {line.id: booked_as(line) for line in lines if line.kind in _BOOKED}
    missing = [line for line in lines if line.id in expected and expected[line.id] not in cleared]
    if missing:
        told = [f"{line.kind} {booked_as(line)} of {line.gross}" for line in missing[:MOST_TOLD]]
        if more := len(missing[MOST_TOLD:]):
            told.append(f"{more} more")
        raise NotYetPosted(
            f"{len(missing)} of the payout's lines are not in the books yet: {', '.join(told)}"
        )
    gross, fees, problems = before.gross, before.fees, []
    subsidiaries = {before.subsidiary} - {None}
    for line in lines:
        fee = line.fee
        if line.id in expected:
            entry = cleared[expected[line.id]]
            subsidiaries.add(entry.subsidiary)
            if entry.amount != line.gross:
                problems.append(
                    f"{line.kind} {line.record_id}: {line.gross} in the balance, {entry.amount} in"
                    " the books"
                )
            gross = line.gross if gross is None else gross + line.gross
        elif line.kind == BalanceKind.FEE:
            fee = fee - line.gross
        else:
            problems.append(f"{line.id} moved the balance by {line.gross}: nobody knows what it is")
        fees = fee if fees is None else fees + fee
    if len(subsidiaries) > 1:
        problems.append(f"its lines are in the books of {', '.join(sorted(subsidiaries))}")
    told = (*before.differences, *problems)
    return Matching(
        subsidiary=min(subsidiaries, default=None),
        gross=gross,
        fees=fees,
        lines=before.lines + len(lines),
        differences=told[:MOST_TOLD],
        untold=before.untold + max(0, len(told) - MOST_TOLD),
    )
