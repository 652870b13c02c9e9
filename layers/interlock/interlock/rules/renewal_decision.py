"""What is to be done about a renewal next: looked at anew each time that something happened.

In this order:

1. A contract that is not renewed and has ended is offboarded, whatever became of its deal: who
   comes back then is sold a new one. Billing turns at noon of the end: the day after it has ended.
2. A deal that is won renews the contract, also one that was to end; or lets another contract go on
   with its products. A discount has to be approved before, and a customer that is overdue has to
   pay: it is held back, day by day, as long as nobody can tell, too. On the last day people decide.
3. A deal that is lost lets the contract end.
4. An open deal is told the price, held back or not. Then, if nobody says anything, a contract that
   renews itself does so after the deadline, when the customer was told in time, and what it costs
   now; else people decide. It is held back, too. Another contract ends, a day before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import NoReturn

from interlock.canonical.base import Canonical, Text
from interlock.canonical.contracts import (
    Contract,
    ContractStatus,
    Notice,
    RenewalAction,
    RenewalDecision,
    RenewalQuote,
)
from interlock.canonical.customer_view import CustomerView
from interlock.canonical.money import Money
from interlock.canonical.records import Opportunity
from interlock.errors import BusinessRuleViolation
from interlock.rules import contract_change, renewal_notice
from interlock.rules.customer_summary import summary
from interlock.rules.milestones import morning_of
from interlock.rules.renewal_policy import RenewalPolicy

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


class DecidedApproval(Canonical):
    """What was decided about which offer, by its fingerprint (`RenewalQuote.offer`)."""

    subject_hash: Text
    status: Text


@dataclass(frozen=True)
class Renewal:
    """The contract, its deal and its price as they are now, and the customer as it was read last.

    `quoted` is the offer that sales were told, `notice` what the customer was.
    """

    contract: Contract
    policy: RenewalPolicy
    view: CustomerView
    deal: Opportunity
    quote: RenewalQuote
    approval: DecidedApproval | None
    quoted: str | None
    notice: Notice | None
    now: datetime

    @property
    def today(self) -> date:
        """Days are those of UTC."""
        return self.now.date()

    @property
    def is_ending(self) -> bool:
        """Whether it was decided already that it is not renewed."""
        return self.contract.status == ContractStatus.ENDING

    @property
    def last_day(self) -> date:
        """When it is high time."""
        return self.contract.ends_on - DAY

    @property
    def is_over(self) -> bool:
        """Whether billing has ended it, if it was told to."""
        return self.today > self.contract.ends_on


def decide(renewal: Renewal) -> RenewalDecision:
    """What to do, and why.

    Raises BusinessRuleViolation for what only people can solve, saying how.
    """
    if renewal.is_ending and renewal.is_over:
        return _offboard(renewal)
    if renewal.deal.is_won:
        return _won(renewal)
    if renewal.deal.is_lost:
        return _lost(renewal)
    return _open(renewal)


def _offboard(renewal: Renewal) -> RenewalDecision:
    reasons = [f"The contract ended on {renewal.last_day}."]
    if renewal.deal.is_won and not renewal.contract.handover:
        reasons.append(f"The deal {renewal.deal.id} was won too late: sell a new contract.")
    return RenewalDecision(
        action=RenewalAction.OFFBOARD,
        reasons=tuple(reasons),
        change=contract_change.ended(renewal.contract),
    )


def _won(renewal: Renewal) -> RenewalDecision:
    contract, deal, quote = renewal.contract, renewal.deal, renewal.quote
    if contract.handover and deal.consolidates_into:
        return _until_end(renewal, f"{deal.consolidates_into} goes on with its products.")
    if deal.consolidates_into == contract.id:
        _ask(renewal, "the deal consolidates the contract into itself: name another one in the CRM")
    _require_approval(renewal)
    if reason := _held(renewal):
        return _hold(renewal, reason)
    if deal.consolidates_into:
        going_over = tuple(line for line in quote.lines if line.is_in_force(quote.starts_on))
        return RenewalDecision(
            action=RenewalAction.CONSOLIDATE,
            reasons=(f"The deal {deal.id} lets {deal.consolidates_into} go on with it.",),
            seconds=_seconds(renewal, contract.ends_on + DAY),
            change=contract_change.ending(contract, deal, handed_over=going_over),
        )
    return RenewalDecision(
        action=RenewalAction.RENEW,
        reasons=(f"The deal {deal.id} was won.", *quote.working),
        change=contract_change.renewed(contract, quote, deal),
    )


def _lost(renewal: Renewal) -> RenewalDecision:
    if renewal.is_ending:
        return _until_end(renewal, "It will not be renewed.")
    return _end(renewal, f"The deal {renewal.deal.id} was lost.", renewal.deal)


def _open(renewal: Renewal) -> RenewalDecision:
    quote = renewal.quote
    if not renewal.is_over and renewal.quoted != quote.offer():
        _require_approval(renewal)
        price = f"From {quote.starts_on} on: {quote.total} a year, net of tax."
        return RenewalDecision(
            action=RenewalAction.QUOTE,
            reasons=(price, *summary(renewal.view, renewal.now)),
        )
    if renewal.is_ending:
        return _until_end(renewal, "It will not be renewed, unless its deal is won before.")
    if renewal.contract.renewal.auto_renews:
        return _by_itself(renewal)
    if renewal.today < renewal.last_day:
        reason = "It does not renew itself: it ends, unless its deal is won."
        return _wait(renewal, renewal.last_day, reason)
    return _end(renewal, "Nobody renewed it, and it does not renew itself.", None)


def _by_itself(renewal: Renewal) -> RenewalDecision:
    """Nobody says anything about a contract that renews itself."""
    contract, notice = renewal.contract, renewal.notice
    first, last = renewal_notice.window(contract, renewal.policy)
    deadline = renewal_notice.deadline(contract)
    if renewal.today <= deadline:
        if notice is None and renewal.today < first:
            return _wait(renewal, first, f"The customer may be told from {first} until {last}.")
        if notice is None and renewal.today <= last:
            return RenewalDecision(
                action=RenewalAction.NOTICE,
                reasons=(f"It renews itself after {deadline}: the customer is told.",),
                notice=renewal_notice.write(contract, renewal.quote, renewal.deal),
            )
        return _wait(renewal, deadline + DAY, f"The customer may say no until {deadline}.")
    if notice is None or not renewal_notice.is_in_time(notice, contract, renewal.policy):
        _ask(
            renewal,
            f"it would renew itself, but the customer was not told from {first} until {last}: ask"
            " the customer, record the outcome on the deal in the CRM, then retry",
        )
    if not renewal_notice.tells_price(notice, renewal.quote):
        _ask(
            renewal,
            f"it would renew itself for {renewal.quote.total} a year, but the customer was told"
            " another price: ask the customer, record the outcome on the deal in the CRM, then"
            " retry",
        )
    _require_approval(renewal)
    if reason := _held(renewal):
        return _hold(renewal, reason)
    return RenewalDecision(
        action=RenewalAction.RENEW,
        reasons=(f"Nobody said no until {deadline}.", *renewal.quote.working),
        change=contract_change.renewed(contract, renewal.quote, renewal.deal),
    )


def _require_approval(renewal: Renewal) -> None:
    quote, approval = renewal.quote, renewal.approval
    if not quote.discount:
        return
    what = f"{quote.total} a year is {quote.discount} % less than by the terms, {quote.by_terms}"
    if approval is None or approval.subject_hash != quote.offer():
        _ask(renewal, f"{what}, which nobody was asked for: retry, so that it is")
    if approval.status != "approved":
        _ask(
            renewal,
            f"{what}, and was {approval.status}: correct the prices of the deal in the CRM, or"
            " agree on others with who decided, then retry",
        )


def _held(renewal: Renewal) -> str | None:
    """Why the customer is held back, if it is."""
    books, policy = renewal.view.erp, renewal.policy
    if books.content is None:
        return "The books could never be read: nobody can tell whether the customer is overdue."
    since = books.content.overdue_since
    if since is None or renewal.today - since <= policy.held_after_days * DAY:
        return None
    for overdue in books.content.overdue:
        limit = Money.of(policy.held_above.get(overdue.currency, 0), overdue.currency)
        if overdue.amount > limit.amount:
            return f"The customer owes {overdue} that was due, the oldest of it since {since}."
    return None


def _hold(renewal: Renewal, reason: str) -> RenewalDecision:
    if renewal.today >= renewal.last_day:
        _ask(
            renewal,
            f"it is held back: {reason} Collect what is due, or record another outcome on the deal"
            " in the CRM, then retry",
        )
    return _wait(renewal, renewal.today + DAY, f"It is held back. {reason}")


def _end(renewal: Renewal, reason: str, deal: Opportunity | None) -> RenewalDecision:
    return RenewalDecision(
        action=RenewalAction.END,
        reasons=(reason,),
        seconds=_seconds(renewal, renewal.contract.ends_on + DAY),
        change=contract_change.ending(renewal.contract, deal),
    )


def _until_end(renewal: Renewal, reason: str) -> RenewalDecision:
    return _wait(renewal, renewal.contract.ends_on + DAY, reason)


def _wait(renewal: Renewal, day: date, reason: str) -> RenewalDecision:
    return RenewalDecision(
        action=RenewalAction.WAIT, reasons=(reason,), seconds=_seconds(renewal, day)
    )


def _seconds(renewal: Renewal, day: date) -> int:
    return max(60, ceil((morning_of(day) - renewal.now) / SECOND))


def _ask(renewal: Renewal, problem: str) -> NoReturn:
    raise BusinessRuleViolation(
        [f"the contract ends on {renewal.contract.ends_on}: {problem}"],
        operation="decide_renewal",
        record=renewal.contract.id,
    )
