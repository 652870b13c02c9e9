"""The event that each function can be invoked with: `python -m local.samples` writes them.

`interlock invoke` and `sam local invoke` take them.
"""

from __future__ import annotations

import json
from typing import Any

from local.paths import ROOT
from local.samples import (
    billing_reconciliation,
    case_to_credit,
    credit_stores,
    lead_to_order,
    renewal,
    subscription_billing,
)

EVENTS = ROOT / "events"
COMMAND = "python -m local.samples"


def samples() -> dict[str, dict[str, Any]]:
    """The event of each function, by the function's name."""
    return (
        lead_to_order.samples()
        | subscription_billing.samples()
        | billing_reconciliation.samples()
        | case_to_credit.samples()
        | credit_stores.samples()
        | renewal.samples()
    )


def text(sample: dict[str, Any]) -> str:
    """An event as its file has it."""
    return json.dumps(sample, indent=2, ensure_ascii=False) + "\n"
