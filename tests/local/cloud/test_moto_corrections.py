"""Every correction of moto is still needed: remove it as soon as its test here fails."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import local
from local.cloud import (
    appconfig,
    awslambda,
    cloudformation,
    dynamodb,
    eventbridge,
    iam,
    interpreter,
    requests,
    scheduler,
    sqs,
    stepfunctions,
)

MODULES = (
    appconfig,
    awslambda,
    cloudformation,
    dynamodb,
    eventbridge,
    iam,
    interpreter,
    requests,
    scheduler,
    sqs,
    stepfunctions,
)

CONNECTIONS = {"call_as_the_role", "follow_the_clock", "run_functions", "tell_of_changes"}
"""Functions that plant a part of the local cloud in moto: not faults of moto."""

CORRECTIONS = sorted(
    {
        name
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and "corrections" in inspect.signature(function).parameters
    }
    - CONNECTIONS
    - {"correct"}
)


PROGRAM = Path(__file__).with_name("moto_faults.py")

Faults = dict[str, bool | str]


@pytest.fixture(scope="module")
def faults() -> tuple[Faults, Faults]:
    """What moto does without and with the corrections, each in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(local.__file__).parents[1])}
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for arguments in ([], ["corrected"])
    ]
    uncorrected, corrected = (
        json.loads(process.communicate(timeout=60)[0]) for process in processes
    )
    return uncorrected, corrected


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_correction_is_needed_and_works(correction, faults):
    uncorrected, corrected = faults
    assert uncorrected[correction] is True
    assert corrected[correction] is False


def test_every_fault_has_a_correction(faults):
    uncorrected, _ = faults
    assert sorted(uncorrected) == CORRECTIONS
