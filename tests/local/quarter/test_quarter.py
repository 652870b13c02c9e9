"""A quarter of the demo's smallest company, in order and in disorder, into the real ERP."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from local.paths import ROOT


@pytest.mark.slow
def test_the_books_follow_the_billing_system_whatever_the_order_of_events():
    command = [sys.executable, "-c", "from local.cli.main import interlock; interlock()"]
    arguments = ["demo-billing", "--customers", "3"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ Both times the books are the billing system's" in done.stdout
    assert "past due: " in done.stdout
    [lost] = re.findall(r"(\d+) lost,", done.stdout)
    assert int(lost) > 0
