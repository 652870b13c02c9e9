"""SAM takes the template, and builds for the cloud on a machine that has another Python."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from local.paths import ROOT
from local.project import functions

BINARIES = Path(sys.executable).parent
# What the layers' makefiles and SAM call, besides Python.
TOOLS = ("cp", "find", "make", "mkdir", "rm", "sh", "uname")
# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and its registry of machines
ELF_MACHINE_AT = 18
AARCH64 = 183


def run_sam(*arguments: str, path: str) -> str:
    """Run SAM's command line; what it said."""
    environment = os.environ | {
        "PATH": path,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(
        [BINARIES / "sam", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_template_is_valid() -> None:
    output = run_sam("validate", "--lint", path=f"{BINARIES}:{os.environ['PATH']}")

    assert "is a valid SAM Template" in output


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with no other Python in sight than the one that runs the tests."""
    tools = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        found = shutil.which(name)
        assert found, f"{name} is needed for a build"
        (tools / name).symlink_to(found)
    directory = tmp_path_factory.mktemp("build")
    cache = tmp_path_factory.mktemp("cache")
    run_sam(
        "build",
        *("--build-dir", str(directory), "--cache-dir", str(cache)),
        path=f"{BINARIES}:{tools}",
    )
    return directory


@pytest.mark.slow
def test_the_build_has_every_function(build: Path) -> None:
    built = yaml_parse((build / "template.yaml").read_text())["Resources"]
    for logical_id in functions():
        folder = build / built[logical_id]["Properties"]["CodeUri"]
        assert (folder / "handler.py").is_file(), logical_id


@pytest.mark.slow
def test_the_build_has_the_shared_package_and_its_files(build: Path) -> None:
    source = ROOT / "layers/interlock/interlock"
    built = build / "InterlockLayer/python/interlock"

    assert _files(built) == _files(source)


@pytest.mark.slow
def test_the_build_has_packages_for_the_clouds_python_and_processor(build: Path) -> None:
    layer = build / "DependenciesLayer/python"
    binaries = list(layer.rglob("*.so"))

    assert (layer / "pydantic_core").is_dir()
    assert binaries
    for binary in binaries:
        # A binary of the stable ABI fits every later Python.
        assert "cpython-313-aarch64" in binary.name or ".abi3." in binary.name, binary
        assert struct.unpack_from("<H", binary.read_bytes(), ELF_MACHINE_AT) == (AARCH64,), binary


@pytest.mark.slow
def test_the_build_has_each_pinned_package(build: Path) -> None:
    lines = (ROOT / "layers/dependencies/requirements.txt").read_text().splitlines()
    pinned = {_normal(line.replace("==", "-")) for line in lines if not line.startswith("#")}
    installed = {_normal(path.stem) for path in build.glob("DependenciesLayer/python/*.dist-info")}

    assert installed == pinned


def _files(package: Path) -> set[str]:
    found = (path for path in package.rglob("*") if path.is_file())
    return {str(path.relative_to(package)) for path in found if "__pycache__" not in path.parts}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
