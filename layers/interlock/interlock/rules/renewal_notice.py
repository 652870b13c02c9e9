"""The notice that a contract goes on by itself: when it may be sent, and what it says.

Laws on automatic renewal want it within a certain time before the customer may say no for the last
time, as https://www.nysenate.gov/legislation/laws/GOB/5-903: 15 to 30 days. The time is counted in
calendar days, in UTC.
"""

from __future__ import annotations

from datetime import date, timedelta

from interlock.canonical.contracts import Contract, Notice, RenewalQuote
from interlock.canonical.records import Opportunity
from interlock.errors import BusinessRuleViolation
from interlock.rules.renewal_policy import RenewalPolicy

DAY = timedelta(days=1)


def deadline(contract: Contract) -> date:
    """The last day on which either party may say no: before the end, which billing goes beyond."""
    return contract.ends_on - max(1, contract.renewal.notice_days) * DAY


def window(contract: Contract, policy: RenewalPolicy) -> tuple[date, date]:
    """The first and the last day on which the notice may be sent."""
    last = deadline(contract)
    return last - policy.notice_opens_days * DAY, last - policy.notice_closes_days * DAY


def is_in_time(notice: Notice | None, contract: Contract, policy: RenewalPolicy) -> bool:
    """Whether the notice was sent when the law wants it."""
    first, last = window(contract, policy)
    return bool(notice and notice.sent_at and first <= notice.sent_at.date() <= last)


def write(contract: Contract, quote: RenewalQuote, deal: Opportunity) -> Notice:
    """The notice to who gets the bill, at its present e-mail address in the CRM.

    Raises BusinessRuleViolation for a customer without one.
    """
    payer = next((each for each in deal.accounts if each.id == contract.bill_to), None)
    address = (payer and payer.email) or contract.customer_email
    if not address:
        raise BusinessRuleViolation(
            [
                f"{contract.customer_name} has no e-mail address for the notice that the contract"
                f" goes on: enter one on the account {contract.bill_to} in the CRM, then retry"
            ],
            operation="write_notice",
            record=contract.id,
        )
    last = _day(deadline(contract))
    body = f"""\
Dear {contract.customer_name},

your contract ends on {_day(contract.ends_on - DAY)}. It then goes on by itself until \
{_day(quote.ends_on - DAY)}.

{_price(quote)}

If you agree, you need not do anything. If you do not want the contract to go on, or want to \
change it, please answer this message, by {last} at the latest.
"""
    return Notice(
        id=contract.renewal_id,
        account_id=contract.account_id,
        customer_name=contract.customer_name,
        customer_email=address,
        subject=f"Your contract goes on, unless you say no by {last}",
        body=body,
    )


def tells_price(notice: Notice, quote: RenewalQuote) -> bool:
    """Whether it is the price that the customer was told."""
    return _price(quote) in notice.body


def _price(quote: RenewalQuote) -> str:
    return f"From {_day(quote.starts_on)} on it costs {quote.total} a year, plus tax."


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
