"""What a customer is due for an incident: downtime, availability, tier, percent of the fee, cap.

A credit is always an increment. All incidents of a calendar month in UTC count together: those of
the other cases that its allowance knows (also of one that came to nothing by itself), and this
case's, as it says now. They are merged by product, less what does not count; what that comes to,
capped, less what was granted before, is what is still due. So overlapping incidents count once, a
request that is repeated comes to nothing, and granting case by case comes to the same as all at
once.

Everything is exact but the three figures that are rounded to money, halves up as on invoices: the
fee of a product and a month, what is given back of it, and the cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from interlock.canonical.credits import (
    BillingContext,
    Case,
    ChargedLine,
    ComputedCredit,
    Incident,
    MonthCredit,
    ProductCredit,
)
from interlock.canonical.money import EXPONENTS, Money
from interlock.errors import BusinessRuleViolation
from interlock.rules import downtime
from interlock.rules.allowance import Allowance
from interlock.rules.contract_terms import (
    AVAILABILITY_DECIMALS,
    AppliedTerms,
    ServiceTerms,
    ServiceTier,
)

SECOND = timedelta(seconds=1)


def months_of(case: Case) -> tuple[date, ...]:
    """The first days of the months that the incident touches; none while its times are unknown."""
    if case.started_at is None or case.ended_at is None:
        return ()
    return downtime.months_in(case.started_at, case.ended_at)


def currency_of(context: BillingContext) -> str:
    """The currency that the customer was charged in. Raises BusinessRuleViolation for several."""
    currencies = sorted({invoice.currency for invoice in context.invoices})
    if len(currencies) == 1:
        return currencies[0]
    problem = (
        f"was charged in {' and '.join(currencies)} in the months of the incident: no sum of them"
        " can be capped; Finance credits it in billing by hand"
        if currencies
        else "was charged nothing in the months of the incident: correct the case's account"
    )
    raise _violation(context.account_id, problem)


def compute(
    case: Case,
    context: BillingContext,
    terms: AppliedTerms,
    allowances: tuple[Allowance, ...],
    *,
    transaction: str,
) -> ComputedCredit:
    """The credit, with its working.

    `context` covers the whole of the case's months, and there is an allowance for each. What this
    transaction reserved itself is no grant that counts before. Raises BusinessRuleViolation for a
    customer that was charged in several currencies, and for a case that does not say enough.
    """
    incident, currency = _incident(case), currency_of(context)
    by_month = {allowance.month: allowance for allowance in allowances}
    months = [
        _month(month, incident, context, terms.service, by_month[month], transaction)
        for month in months_of(case)
    ]
    amount = Money.total((month.credit.amount for month in months), currency)
    working = [
        f"by the agreement {terms.agreement} of the terms {terms.version}",
        *(sentence for month in months for sentence in month.working),
        f"credit, net of tax: {amount}",
    ]
    return ComputedCredit(
        account_id=context.account_id,
        amount=amount,
        incident=incident,
        months=tuple(month.credit for month in months),
        working=tuple(working),
    )


@dataclass(frozen=True)
class _Month:
    credit: MonthCredit
    working: list[str]


@dataclass(frozen=True)
class _Fee:
    """What a month was charged with, and the sum it comes from."""

    amount: Money
    working: str


def _incident(case: Case) -> Incident:
    if case.severity is None or case.started_at is None or case.ended_at is None:
        problem = "does not say how bad the incident was, when it began or ended: complete it"
        raise _violation(case.id, problem)
    return Incident(
        case_id=case.id,
        severity=case.severity,
        started_at=case.started_at,
        ended_at=case.ended_at,
        skus=case.skus,
    )


def _month(
    month: date,
    incident: Incident,
    context: BillingContext,
    service: ServiceTerms,
    allowance: Allowance,
    transaction: str,
) -> _Month:
    """The month's due, capped, less what was granted before: never less than nothing."""
    before = [grant for grant in allowance.grants if grant.transaction != transaction]
    others = {grant.incident for grant in before if grant.incident.case_id != incident.case_id}
    incidents = [each for each in (incident, *others) if each.severity in service.severities]
    incidents.sort(key=lambda each: (each.started_at, each.ended_at, each.case_id))
    fees = _fees(month, context, allowance.currency)
    products, working = [], _counted(month, incidents)
    for sku, fee in fees.items():
        if affecting := [each for each in incidents if each.affects(sku)]:
            product, sentence = _product(month, sku, fee.amount, affecting, service)
            products.append(product)
            working += [f"{month:%Y-%m}, {sku}: {each}" for each in (sentence, fee.working)]
            if product.percent:
                share = f"{product.percent} % of {fee.amount} are {product.amount}"
                working.append(f"{month:%Y-%m}, {sku}: {share}")
    currency = allowance.currency
    due = Money.total((product.amount for product in products), currency)
    charged = Money.total((fee.amount for fee in fees.values()), currency)
    cap = charged.times(service.cap_percent.scaleb(-2))
    granted = Money.total((grant.amount for grant in before), currency)
    left = min(due.amount, cap.amount) - granted.amount
    credit = MonthCredit(
        month=month,
        products=tuple(products),
        due=due,
        cap=cap,
        granted_before=granted,
        amount=Money.of(max(left, Decimal(0)), currency),
        revision=allowance.revision,
    )
    uncharged = [sku for sku in incident.skus if sku not in fees]
    working += [f"{month:%Y-%m}, {sku}: not charged for this month" for sku in uncharged]
    working.append(_sum(credit, charged, service))
    return _Month(credit, working)


def _fees(month: date, context: BillingContext, currency: str) -> dict[str, _Fee]:
    """What each product was charged with for the month: of each line, its days' share."""
    last_day = downtime.last_day(month)
    shares: dict[str, Fraction] = {}
    sums: dict[str, list[str]] = {}
    for invoice in context.invoices:
        for line in invoice.lines:
            if days := downtime.days_between(line.service_period, month, last_day):
                share = Fraction(days, _days(line))
                shares[line.sku] = shares.get(line.sku, 0) + share * Fraction(line.amount.amount)
                part = f"{days} of {_days(line)} days of {line.amount} ({invoice.number})"
                sums.setdefault(line.sku, []).append(part)
    fees = {sku: _rounded(shares[sku], currency) for sku in sorted(shares)}
    return {
        sku: _Fee(fee, f"fee of the month: {' + '.join(sums[sku])} are {fee}")
        for sku, fee in fees.items()
    }


def _product(
    month: date, sku: str, fee: Money, incidents: list[Incident], service: ServiceTerms
) -> tuple[ProductCredit, str]:
    """What is due for a product, and what its downtime was in words."""
    whole = downtime.whole(month)
    spans = [(each.started_at, each.ended_at) for each in incidents]
    down = downtime.common(downtime.merged(spans), [whole])
    excluded = [(span, why) for span, why in downtime.exclusions(service, month)]
    not_counted = downtime.common(down, downtime.merged(span for span, _ in excluded))
    reasons = {why for span, why in excluded if downtime.common(down, [span])}
    counted = downtime.length(down) - downtime.length(not_counted)
    availability = _availability(counted, of=downtime.length([whole]))
    tier = _tier(availability, service)
    percent = tier.percent if tier else Decimal(0)
    product = ProductCredit(
        sku=sku,
        fee=fee,
        down_seconds=counted // SECOND,
        excluded_seconds=downtime.length(not_counted) // SECOND,
        availability=availability,
        percent=percent,
        amount=fee.times(percent.scaleb(-2)),
    )
    names = ", ".join(dict.fromkeys(each.case_id for each in incidents))
    sentence = f"{_duration(downtime.length(down))} down ({names})"
    if not_counted:
        lost = _duration(downtime.length(not_counted))
        sentence += f", of them {lost} not counted ({', '.join(sorted(reasons))})"
    hours = _duration(downtime.length([whole]))
    sentence += f"; available {product.availability} % of {hours}; "
    return product, sentence + (
        f"below {tier.below} %: {tier.percent} %" if tier else "not below a tier: nothing"
    )


def _availability(down: timedelta, *, of: timedelta) -> Decimal:
    """In percent, rounded down to so many decimals as a tier has at most.

    So it is below the same tiers as the exact figure.
    """
    scale = 10**AVAILABILITY_DECIMALS
    return Decimal(100 * scale * (of - down) // of) / scale


def _tier(availability: Decimal, service: ServiceTerms) -> ServiceTier | None:
    """The tier with the lowest bound that the availability is below."""
    below = [tier for tier in service.tiers if availability < tier.below]
    return min(below, key=lambda tier: tier.below, default=None)


def _rounded(amount: Fraction, currency: str) -> Money:
    """The nearest expressible amount, halves up; nothing where more was given back than charged."""
    units = floor(amount * 10 ** EXPONENTS[currency] + Fraction(1, 2))
    return Money.from_minor_units(max(units, 0), currency)


def _days(line: ChargedLine) -> int:
    period = line.service_period
    return downtime.days_between(period, period.first_day, period.last_day)


def _counted(month: date, incidents: list[Incident]) -> list[str]:
    return [
        f"{month:%Y-%m}: {each.case_id}, {each.severity}: {_moment(each.started_at)} to"
        f" {_moment(each.ended_at)}, {', '.join(each.skus) or 'all products'}"
        for each in incidents
    ]


def _sum(month: MonthCredit, charged: Money, service: ServiceTerms) -> str:
    return (
        f"{month.month:%Y-%m}: due {month.due}; cap: {service.cap_percent} % of all fees of the"
        f" month, {charged}, are {month.cap}; granted before: {month.granted_before}; left:"
        f" {month.amount}"
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _duration(time: timedelta) -> str:
    """3 h 10 min; parts of a second are left out."""
    minutes, seconds = divmod(time // SECOND, 60)
    parts = [(minutes // 60, "h"), (minutes % 60, "min"), (seconds, "s")]
    return " ".join(f"{number:,} {unit}" for number, unit in parts if number) or "0 min"


def _violation(record: str, problem: str) -> BusinessRuleViolation:
    return BusinessRuleViolation([f"{record} {problem}"], operation="compute_credit", record=record)
