"""Imports point inward, and the layer holds every package that the functions import."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import grimp
import pytest
from interlock.connections import ADAPTERS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from local.paths import ROOT
from local.project import template

# Part of Lambda's own Python runtime, so no layer carries them.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
OF_THE_RUNTIME = {"boto3", "botocore"}
# Where the functions run: what a requirement's marker is evaluated for.
TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}
PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+)")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    """What the layer of dependencies holds."""
    return _pinned("layers/dependencies/requirements.txt")


def test_the_import_contracts_hold() -> None:
    """The contracts are in pyproject.toml; `lint-imports` explains which import breaks one."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    sources = f"{ROOT}{os.pathsep}{ROOT / 'layers/interlock'}"
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_an_adapter_knows_no_other_vendors_adapter() -> None:
    graph = grimp.build_graph("interlock", cache_dir=None)
    for (kind, vendor), adapter in ADAPTERS.items():
        area = f"interlock.connectors.{kind}"
        own = {module for module in graph.find_children(area) if _is_of(vendor, module)}
        assert adapter.split(":")[0] in own
        others = graph.find_children(area) - own - {f"{area}.port"}
        for module in own:
            assert not graph.find_modules_directly_imported_by(module) & others, module


def test_nothing_but_the_connections_names_an_adapter() -> None:
    """A new vendor is an adapter, and one line there."""
    graph = grimp.build_graph("interlock", cache_dir=None)
    adapters = {adapter.split(":")[0] for adapter in ADAPTERS.values()}
    for adapter in adapters:
        assert not graph.find_modules_that_directly_import(adapter), adapter


def test_the_packages_requirements_are_pinned(
    project: dict[str, Any], pins: dict[str, Version]
) -> None:
    """The layer is installed without resolving, so the pins must be complete."""
    assert not pins.keys() & OF_THE_RUNTIME
    waiting = [Requirement(text) for text in project["project"]["dependencies"]]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in OF_THE_RUNTIME:
            continue
        assert name in pins, f"layers/dependencies/requirements.txt lacks {requirement}"
        assert pins[name] in requirement.specifier, f"{name} {pins[name]} is not {requirement}"
        if str(requirement) not in seen:
            seen.add(str(requirement))
            waiting += _required_by(requirement)

    assert {canonicalize_name(Requirement(text).name) for text in seen} == pins.keys()


def test_what_is_deployed_is_what_was_tested(pins: dict[str, Version]) -> None:
    tested = _pinned("constraints.txt")

    assert pins == {name: tested.get(name) for name in pins}


def test_the_layer_holds_what_the_functions_import(pins: dict[str, Version]) -> None:
    distributions = packages_distributions()
    missing = {
        package: sorted(distributions.get(package, []))
        for package in _third_party_imports()
        if not {canonicalize_name(name) for name in distributions.get(package, [])} & pins.keys()
    }

    assert missing == {}


def test_the_project_supports_what_the_cloud_runs(project: dict[str, Any]) -> None:
    runtime = template()["Globals"]["Function"]["Runtime"]
    supported = Requirement(f"python{project['project']['requires-python']}").specifier

    assert Version(runtime.removeprefix("python")) in supported


def _pinned(path: str) -> dict[str, Version]:
    lines = (ROOT / path).read_text().splitlines()
    found = [PIN.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(found), f"{path}: each line is one package, pinned with =="
    return {canonicalize_name(match["name"]): Version(match["version"]) for match in found if match}


def _is_of(vendor: str, module: str) -> bool:
    name = module.rsplit(".", 1)[-1]
    return name == vendor or name.startswith(f"{vendor}_")


def _required_by(requirement: Requirement) -> Iterator[Requirement]:
    """What a package requires on the target, with the extras that are asked of it."""
    try:
        texts = requires(requirement.name) or []
    except PackageNotFoundError:
        pytest.fail(f"{requirement.name} is not installed: what it requires cannot be known")
    for text in texts:
        needed = Requirement(text)
        extras = requirement.extras or {""}
        marker = needed.marker
        if marker is None or any(marker.evaluate(TARGET | {"extra": extra}) for extra in extras):
            yield needed


def _third_party_imports() -> set[str]:
    files = [*ROOT.glob("functions/*/*/*.py"), *ROOT.glob("layers/interlock/interlock/**/*.py")]
    names = {name for path in files for name in _imports(ast.parse(path.read_text()))}
    return names - sys.stdlib_module_names - OF_THE_RUNTIME - {"interlock"}


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
