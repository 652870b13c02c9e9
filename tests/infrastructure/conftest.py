"""The project's parts, read once, for tests that hold them to each other."""

from __future__ import annotations

import pytest

from local.cloud.template import load
from local.paths import ROOT
from local.project import functions
from local.workflows import DEFINITIONS, Workflow
from tests.infrastructure.stack import Stack


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `function` or `workflow` runs for each one of the project."""
    if "function" in metafunc.fixturenames:
        values = sorted(functions().values(), key=lambda function: function.name)
        metafunc.parametrize("function", values, ids=lambda function: function.name)
    if "workflow" in metafunc.fixturenames:
        values = [Workflow.load(path) for path in sorted(DEFINITIONS.glob("*.asl.yaml"))]
        metafunc.parametrize("workflow", values, ids=lambda workflow: workflow.name)


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The template, as CloudFormation gets it."""
    return Stack(load(ROOT / "template.yaml", {}).cloudformation)
