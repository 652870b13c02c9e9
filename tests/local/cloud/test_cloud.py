"""A local cloud opens, closes without a trace, and dies with its process."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import httpx
import pytest
import yaml
from moto.core.models import botocore_stubber

from local.cloud import LocalCloud
from local.cloud.cloudformation import UnsupportedResources

STACK = Path(__file__).parent / "stack"

OPEN_AND_WAIT = f"""
import sys, time
from pathlib import Path
from local.cloud import LocalCloud
cloud = LocalCloud(Path({str(STACK)!r}))
cloud.client("lambda").invoke(FunctionName=cloud.resources["Work"], Payload='{{"do": "time"}}')
print(" ".join(str(process) for process in [cloud._functions._zygote_process.pid] +
    [process.id for process in cloud.processes]), flush=True)
time.sleep(60)
"""


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def all_end(processes: list[int]) -> bool:
    end = time.monotonic() + 5
    while any(is_alive(process) for process in processes) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(is_alive(process) for process in processes)


def test_close_ends_every_process_and_thread(capfd):
    threads = set(threading.enumerate())
    lines = []
    with LocalCloud(STACK, on_log=lambda *line: lines.append(line)) as cloud:
        client = cloud.client("lambda")
        client.invoke(FunctionName=cloud.resources["Work"], Payload='{"do": "log", "text": "seen"}')
        states = cloud.client("stepfunctions")
        for case in ('{"case": "wait"}', '{"case": "token", "id": "x"}'):
            states.start_execution(stateMachineArn=cloud.resources["Process"], input=case)
        processes = [process.id for process in cloud.processes]
        assert all(is_alive(process) for process in processes)
        with pytest.raises(RuntimeError, match="already open"):
            LocalCloud(STACK)
    assert all_end(processes)
    assert [thread.name for thread in set(threading.enumerate()) - threads] == []
    assert not botocore_stubber.enabled
    assert any("seen" in line for _, _, line in lines)
    assert capfd.readouterr() == ("", "")


def test_close_ends_a_request_of_the_api(capfd):
    answers = []

    def call() -> None:
        try:
            answers.append(httpx.put(url, content='{"sleep": 20}', timeout=30).status_code)
        except httpx.HTTPError as error:
            answers.append(error)

    with LocalCloud(STACK) as cloud:
        url = f"{cloud.api_url}/open"
        client = threading.Thread(target=call)
        client.start()
        cloud.run_until(lambda: any(process.busy for process in cloud.processes))
    client.join(10)
    assert len(answers) == 1
    assert answers[0] != 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end functions by their API")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_processes_die_with_the_cloud(end):
    program = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    with program:
        processes = [int(process) for process in program.stdout.readline().split()]
        assert len(processes) == 2
        assert all(is_alive(process) for process in processes)
        program.send_signal(end)
    assert all_end(processes)


def test_parameters_stack_name_and_endpoint():
    parameters = {"Stage": "production", "Partner": ""}
    with LocalCloud(STACK, parameters=parameters, stack_name="other") as cloud:
        assert cloud.outputs["Level"] == "high"
        assert cloud.resources["Setting"] == "/other/setting"
        assert cloud.resources["Process"].endswith(":other-process")
        assert "PartnerBus" not in cloud.resources
        assert "FromPartnerBus" not in cloud.resources
        outside = boto3.client(
            "ssm",
            endpoint_url=cloud.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="s",  # noqa: S106
        )
        parameter = outside.get_parameter(Name="/other/setting")["Parameter"]["Value"]
        assert parameter == '{"stage": "production"}'


def test_resource_that_would_be_skipped_is_refused(tmp_path):
    template = yaml.safe_dump(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {"Pipe": {"Type": "AWS::Pipes::Pipe", "Properties": {}}},
        }
    )
    (tmp_path / "template.yaml").write_text(template)
    with pytest.raises(UnsupportedResources, match="AWS::Pipes::Pipe"):
        LocalCloud(tmp_path)


def test_real_time_does_not_jump():
    with LocalCloud(STACK) as cloud:
        states = cloud.client("stepfunctions")
        arn = states.start_execution(
            stateMachineArn=cloud.resources["Process"], input='{"case": "wait"}'
        )["executionArn"]
        with pytest.raises(TimeoutError):
            cloud.run_until(
                lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING",
                timeout=0.5,
            )
        assert cloud.clock.offset == 0
