"""What each function imports before its first event: a cold start pays for all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from interlock.connections import ADAPTERS

from local.project import ROOT, functions

LAYER = ROOT / "layers" / "interlock"
# Prints the modules that are loaded once a function is ready; nothing of the environment is set.
# All import interlock.handler, so each goes on from there in a process of its own.
PROGRAM = """
import importlib, json, os, sys
layer, *folders = sys.argv[1:]
sys.path.insert(0, layer)
import interlock.handler
for folder in folders:
    if os.fork() == 0:
        sys.path.insert(0, folder)
        importlib.import_module("handler")
        print(json.dumps({folder: sorted(sys.modules)}), flush=True)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(folder)
"""
ADAPTER = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""
# What is large enough to be felt. botocore comes with the X-Ray SDK that the tracer needs.
LARGE = {"aws_lambda_powertools", "aws_xray_sdk", "boto3", "botocore", "httpx", "pydantic"}
EVERY = {"aws_lambda_powertools", "aws_xray_sdk", "botocore", "pydantic"}
# These ask no AWS service, or only while they work on an event.
WITHOUT_BOTO3 = {
    "contracts/plan_milestones",
    "ingress/request_reconciliation",
    "workflow/assert_agreement",
    "workflow/choose_instrument",
    "workflow/compare_digests",
    "workflow/compute_credit",
    "workflow/decide_dunning",
    "workflow/decide_renewal",
    "workflow/judge_slice",
    "workflow/plan_amendment",
    "workflow/plan_reconciliation",
    "workflow/prepare_posting",
    "workflow/price_renewal",
    "workflow/report_reconciliation",
    "workflow/reserve_cap",
    "workflow/validate_account_hierarchy",
    "workflow/validate_entitlement",
    "workflow/validate_order",
}
# An adapter is imported when its connection is first used. These read events, with no client.
VENDORS = {
    "ingress/salesforce": {"interlock.connectors.crm.salesforce_events"},
    "ingress/stripe": {
        f"interlock.connectors.billing.stripe_{part}" for part in ("documents", "events", "objects")
    },
    "ingress/zendesk": {
        f"interlock.connectors.support.zendesk_{part}"
        for part in ("case_fields", "events", "records")
    },
}


def run(program: str, *arguments: str) -> list[Any]:
    """What a program prints in a fresh interpreter without an environment."""
    command = [sys.executable, "-E", "-c", program, str(LAYER), *arguments]
    printed = subprocess.run(command, env={}, stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each function has imported when it is ready."""
    names = {str(function.folder): function.name for function in functions().values()}
    return {
        names[folder]: set(modules)
        for found in run(PROGRAM, *names)
        for folder, modules in found.items()
    }


def test_a_function_imports_only_what_it_needs(imports: dict[str, set[str]]) -> None:
    large = {name: LARGE & modules for name, modules in imports.items()}

    assert large == {
        name: EVERY if name in WITHOUT_BOTO3 else EVERY | {"boto3"} for name in imports
    }


def test_a_function_imports_no_vendors_adapter(imports: dict[str, set[str]]) -> None:
    adapters = {name: _vendor_modules(modules) for name, modules in imports.items()}

    assert adapters == {name: VENDORS.get(name, set()) for name in imports}


@pytest.mark.parametrize(("kind", "vendor"), sorted(ADAPTERS))
def test_an_adapter_imports_no_other_vendors(kind: str, vendor: str) -> None:
    module = ADAPTERS[kind, vendor].split(":")[0]

    [loaded] = run(ADAPTER, module)

    modules = _vendor_modules(set(loaded))
    assert module in modules
    assert all(name.startswith(module) for name in modules)


def _vendor_modules(modules: set[str]) -> set[str]:
    parts = {name: name.split(".") for name in modules if name.startswith("interlock.connectors.")}
    return {name for name, path in parts.items() if len(path) > 3 and path[3] != "port"}
