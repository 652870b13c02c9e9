"""Put together what all systems say about a customer; what is missing is as it was read last."""

from datetime import UTC, datetime

from interlock.canonical import Canonical, Command
from interlock.canonical.base import RecordId
from interlock.canonical.customer_view import (
    CustomerView,
    OpenCases,
    Receivables,
    RecurringRevenue,
    Relationship,
)
from interlock.customer_views import CustomerViews
from interlock.handler import operation


class Parts(Canonical):
    """What was read now, by system; the others could not be read."""

    crm: Relationship | None = None
    billing: RecurringRevenue | None = None
    erp: Receivables | None = None
    support: OpenCases | None = None


class BuildCustomerView(Command):
    """Whose view, and its parts as far as they could be read."""

    account_id: RecordId
    parts: Parts


@operation
def handler(command: BuildCustomerView) -> CustomerView:
    """Each part with the time it was read; what is read now is kept for another time."""
    store = CustomerViews.load()
    parts = {system: part for system, part in command.parts if part is not None}
    view = store.complete(command.account_id, parts, read_at=datetime.now(UTC))
    if not command.dry_run:
        store.keep(view)
    return view
