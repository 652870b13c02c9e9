"""What happens to a transaction of lead to order beside its own work, midway or around it.

Each kind is drawn from a seed. One that happens midway has a `place` (see `local.faults.planned`):
the transaction is held there until it has happened, so that it happens at the same moment whatever
else is going on.
"""

from local.faults.happenings.base import Happening
from local.faults.happenings.events import (
    DuplicatedAtOnce,
    DuplicatedLater,
    Late,
    PartialBatch,
    Poisoned,
    Reordered,
    StaleRead,
)
from local.faults.happenings.overlaps import Amended, Overlapped, Sibling
from local.faults.happenings.platform import Deployed, Refused, Skewed, Stalled
from local.faults.happenings.stage import Stage
from local.faults.happenings.systems import (
    AccountMerged,
    BillingCustomerDeleted,
    DealDeleted,
    ErpCustomerDeactivated,
    ErpCustomerMerged,
    PeriodClosed,
)

KINDS: tuple[type[Happening], ...] = (
    DuplicatedAtOnce,
    DuplicatedLater,
    Reordered,
    Late,
    Poisoned,
    PartialBatch,
    StaleRead,
    Overlapped,
    Sibling,
    Amended,
    Stalled,
    Refused,
    Skewed,
    Deployed,
    PeriodClosed,
    ErpCustomerDeactivated,
    ErpCustomerMerged,
    BillingCustomerDeleted,
    AccountMerged,
    DealDeleted,
)

__all__ = ["KINDS", "Deployed", "Happening", "PeriodClosed", "Poisoned", "Stage"]
