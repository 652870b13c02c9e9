"""The events of the reconciliation: three invoices of a day, of which the books lack one."""

from __future__ import annotations

from datetime import date
from typing import Any

from interlock.canonical import Money
from interlock.canonical.books import Fact, FactKind
from interlock.rules import reconciliation
from interlock.rules.digest import Digest
from interlock.rules.reconciliation import Slice, asked

from local.samples.aws import plain

CUSTOMER = "salesforce:001Hs00000LarkRIAS"
DAY = date(2026, 12, 1)
RUN = "reconciliation-2026-12-01-2026-12-01-20261202T030000"
PART = Slice(kind=FactKind.INVOICE, first_day=DAY, last_day=DAY, most_told=10)


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    issued = [_invoice(number) for number in (1, 2, 3)]
    billing, books = Digest().with_facts(issued), Digest().with_facts(issued[:2])
    ids = asked(billing.differences(books))
    in_billing = tuple(fact for fact in issued if fact.id in ids)
    judged = reconciliation.reconcile(PART, billing, books, in_billing=in_billing, in_books=())
    commands: dict[str, dict[str, Any]] = {
        "workflow/plan_reconciliation": {"first_day": DAY, "last_day": DAY},
        "billing/digest_facts": {"part": PART, "before": None},
        "erp/digest_facts": {"part": PART, "born_in": "stripe", "before": None},
        "workflow/compare_digests": {"billing": billing, "books": books},
        "billing/find_facts": {"kind": PART.kind, "ids": ids},
        "erp/find_facts": {"kind": PART.kind, "ids": ids},
        "workflow/judge_slice": {
            "part": PART,
            "billing": billing,
            "books": books,
            "in_billing": in_billing,
            "in_books": (),
        },
        "workflow/report_reconciliation": {"results": (judged,)},
        "workflow/assert_agreement": {"report": reconciliation.report([judged])},
    }
    return {
        name: plain({"correlation_id": RUN} | command) for name, command in commands.items()
    } | {"ingress/request_reconciliation": {"first_day": "2026-12-01", "last_day": "2026-12-01"}}


def _invoice(number: int) -> Fact:
    return Fact(
        kind=FactKind.INVOICE,
        id=f"stripe:in_{number}",
        customer_id=CUSTOMER,
        amount=Money.of("38970.00", "USD"),
        day=DAY,
    )
