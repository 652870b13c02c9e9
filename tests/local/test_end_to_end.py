"""A whole run in real time: nothing jumps, nobody helps, and nothing is left running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.systems import Footprint

PROGRAM = Path(__file__).with_name("end_to_end.py")
ROOT = PROGRAM.parents[2]


@pytest.mark.slow
def test_won_deal_becomes_an_order() -> None:
    """From the event to every system."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "layers" / "interlock")))
    process = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert result["output"] == {"status": "accepted", "order": result["order"]}
    assert Footprint(**result["footprint"]) == Footprint(1, 1, 2, 1, 1, 2, "accepted")
    assert result["events"] == ["opportunity.closed_won", "contract.signed", "order.accepted"]
    assert result["denied"] == []
