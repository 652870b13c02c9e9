"""May a case have a credit? Every reason why not, for the agent: what is missing, and what to do.

That something is due is another question: it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from interlock.canonical.base import Canonical
from interlock.canonical.credits import BillingContext, Case, ChargedInvoice
from interlock.rules.contract_terms import AppliedTerms
from interlock.rules.downtime import days_between

MOST_DAYS = timedelta(days=31)
MOMENT = timedelta.resolution


class Entitlement(Canonical):
    """`reasons` says why a case is not entitled; there is none when it is."""

    entitled: bool
    reasons: tuple[str, ...]


def entitlement(case: Case, context: BillingContext | None, terms: AppliedTerms) -> Entitlement:
    """Whether a credit may be computed for a case.

    `context` is None when it could not be read, since the case does not say of whom, or when.
    """
    reasons = [*case.problems, *_request(case), *_severity(case, terms), *_times(case, terms)]
    has_times = case.started_at and case.ended_at and case.started_at < case.ended_at
    if has_times and (context is not None or not reasons):
        reasons += _charges(case, context.invoices if context else ())
    return Entitlement(entitled=not reasons, reasons=tuple(reasons))


def _request(case: Case) -> Iterator[str]:
    if case.requested_by is None or case.requested_at is None:
        yield "The case asks for no credit: ask for one in its credit field."
    if case.account_id is None:
        yield (
            "Support knows no account of the customer: enter the account's id on the case's"
            " organization, and ask again."
        )


def _severity(case: Case, terms: AppliedTerms) -> Iterator[str]:
    counted = terms.service.severities
    if case.severity is None:
        yield "The case does not say how severe the incident was: choose its severity."
    elif case.severity not in counted:
        yield (
            f"The customer's agreement ({terms.agreement}) gives nothing back for"
            f" {case.severity} incidents, only for {', '.join(counted) or 'none'}: choose another"
            " severity if this one is wrong."
        )


def _times(case: Case, terms: AppliedTerms) -> Iterator[str]:
    start, end, asked = case.started_at, case.ended_at, case.requested_at
    if start is None or end is None:
        missing = " and ".join(
            name for name, time in (("began", start), ("ended", end)) if time is None
        )
        yield f"The case does not say when the incident {missing}: enter it, in UTC."
        return
    if end <= start:
        yield (
            f"The incident ends ({_time(end)}) before it begins ({_time(start)}): correct its"
            " times."
        )
    elif end - start > MOST_DAYS:
        yield (
            f"The incident lasts more than {MOST_DAYS.days} days: correct its times, or ask Finance"
            " for a credit by hand."
        )
    if asked is None:
        return
    if end > asked:
        yield (
            f"The incident ends ({_time(end)}) after the credit was asked for"
            f" ({_time(asked)}): ask again when it is over."
        )
    last = end.date() + timedelta(days=terms.service.claim_days)
    if asked.date() > last:
        yield (
            f"The credit could be asked for until {last}, {terms.service.claim_days} days after the"
            f" incident, and was on {asked.date()}: ask Finance whether it is given all the same."
        )


def _charges(case: Case, invoices: tuple[ChargedInvoice, ...]) -> Iterator[str]:
    """What was not charged on a day of the incident."""
    first, last = case.started_at.date(), (case.ended_at - MOMENT).date()
    charged = {
        line.sku
        for invoice in invoices
        for line in invoice.lines
        if line.amount.amount > 0 and days_between(line.service_period, first, last)
    }
    if not charged:
        yield (
            f"The customer was charged nothing for {_days(first, last)}: correct the account or the"
            " times."
        )
        return
    for sku in case.skus:
        if sku not in charged:
            yield (
                f"The customer was not charged {sku} for {_days(first, last)}, but"
                f" {', '.join(sorted(charged))}: correct the products."
            )


def _days(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
