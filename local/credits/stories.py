"""What happens to seven customers: each story, and what it must come to.

By the terms in functions/workflow/load_contract_terms: an hour of downtime in a month gives back
10 % of its fee, ten hours 25 %, forty 50 %, at most 30 % of all fees together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from interlock.canonical.credits import CreditStatus

from local.credits.scene import AGENT, CFO, SUPPORT_LEAD, Scene
from local.sandboxes.salesforce_seed import EUR_DEAL, JPY_DEAL, USD_DEAL, DealSample

GRANTED, NOTHING = CreditStatus.GRANTED, CreditStatus.NOTHING_DUE
REJECTED, CHANGED = CreditStatus.REJECTED, CreditStatus.CHANGED


@dataclass(frozen=True)
class Story:
    """A customer of so many seats, what happens, and what it must come to.

    `percent` is how much of the month's fee is credited in all, `outcomes` what each case is told
    last. `paid` says whether its invoice is paid before.
    """

    title: str
    deal: DealSample
    seats: int
    happens: Callable[[Scene], None]
    percent: Decimal
    outcomes: tuple[CreditStatus, ...]
    paid: bool = False


def small(scene: Scene) -> None:
    """Within policy nobody is asked; what is still to be paid is lowered."""
    scene.report(1)


def large(scene: Scene) -> None:
    """Who asked may not approve; when finance does not decide in a day, the next tier is asked."""
    scene.report(10)
    scene.waits_for()
    scene.decide(AGENT, "approve", "I know this customer")
    scene.nobody_decides(24)
    scene.waits_for()
    scene.decide(CFO, "approve", "as the contract says")


def rejected(scene: Scene) -> None:
    """A person says no, and the case is told why."""
    scene.report(1)
    scene.waits_for()
    scene.decide(SUPPORT_LEAD, "reject", "it was a test of the customer's own")


def over_the_cap(scene: Scene) -> None:
    """The cap cuts the first credit, and leaves nothing for the second."""
    scene.report(40)
    scene.waits_for()
    scene.decide(SUPPORT_LEAD, "approve", "outage confirmed")
    scene.report(3, after=44, subject="Down again")


def edited(scene: Scene) -> None:
    """What is approved is the case as it was when the credit was computed."""
    case = scene.report(10)
    scene.waits_for()
    scene.extend(case, hours=30)
    scene.decide(SUPPORT_LEAD, "approve", "ten hours are confirmed")


def asked_twice(scene: Scene) -> None:
    """Whoever tells of a case how often: one credit. A customer that left is refunded."""
    scene.leave()
    case = scene.report(1)
    scene.told_twice(case)


def erp_down(scene: Scene) -> None:
    """The credit is issued, and waits for the books."""
    scene.break_erp()
    scene.report(1)
    scene.mend_erp()


STORIES = (
    Story("A small credit, within policy", USD_DEAL, 20, small, Decimal(10), (GRANTED,)),
    Story(
        "A large credit: it waits, is escalated, and is approved by another person",
        *(EUR_DEAL, 200, large, Decimal(25), (GRANTED,), True),
    ),
    Story("A credit that is rejected", USD_DEAL, 100, rejected, Decimal(0), (REJECTED,)),
    Story(
        "More than the cap allows",
        *(JPY_DEAL, 10, over_the_cap, Decimal(30), (GRANTED, NOTHING), True),
    ),
    Story("A case that is edited after it was sent for approval", USD_DEAL, 60, edited,
          Decimal(0), (CHANGED,)),
    Story(
        "The same request, told and asked twice, of a customer that has left",
        *(USD_DEAL, 20, asked_twice, Decimal(10), (NOTHING,), True),
    ),
    Story("The ERP is down when the credit is issued", USD_DEAL, 20, erp_down, Decimal(10),
          (GRANTED,)),
)  # fmt: skip
