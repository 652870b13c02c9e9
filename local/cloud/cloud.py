"""The local cloud: the project's own template, deployed and running on this machine."""

import io
import logging
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from moto import mock_aws
from moto.awslambda.utils import get_backend as lambda_backend

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
    template,
)
from local.cloud.apigateway import Gateway
from local.cloud.clock import Clock, WorkerThread, clock
from local.cloud.corrections import Corrections
from local.cloud.delivery import Delivery
from local.cloud.endpoint import Endpoint
from local.cloud.event_sources import EventSource
from local.cloud.functions import (
    DEFAULT_CONCURRENCY,
    Function,
    FunctionHost,
    Hook,
    Invocation,
    LineHandler,
    Process,
)
from local.cloud.iam import Decision
from local.cloud.metrics import metrics_of
from local.cloud.names import ACCOUNT, REGION
from local.cloud.scheduler import Scheduler
from local.cloud.schedules import Schedule, schedules

MOTO_SETTINGS: dict[str, Any] = {
    "core": {"mock_credentials": False, "reset_boto3_session": False},
    "lambda": {"use_docker": False},
    "stepfunctions": {"execute_state_machine": True},
}
POLL_SECONDS = 0.005
QUIET_POLLS = 3
"""Polls in a row without any activity before time jumps."""

JUMP_MARGIN_SECONDS = 0.001
CLOSING_SECONDS = 5.0


class LocalCloud:
    """Deploys `<root>/template.yaml` and runs it, with moto as AWS and functions as processes.

    One can be open per process. While it is open, every boto3 client of the process talks to it.
    Errors: UnsupportedResources if the template needs what is not there.
    """

    _open = threading.Lock()

    def __init__(
        self,
        root: Path,
        parameters: dict[str, str] | None = None,
        port: int = 0,
        stack_name: str = "interlock-local",
        virtual_time: bool = False,
        on_log: LineHandler | None = None,
        hook: Hook | None = None,
        works: Callable[[], bool] = lambda: False,
        concurrency: int = DEFAULT_CONCURRENCY,
    ) -> None:
        """`parameters` are those of the template. `on_log` gets every line a function logs. With
        `virtual_time`, `run_until` moves the clock of the whole cloud to the next deadline, but
        not while a system outside of the cloud `works`. `hook` runs in every function's process,
        of which there are at most `concurrency` of a function that reserves none."""
        if not self._open.acquire(blocking=False):
            raise RuntimeError("a local cloud is already open in this process")
        self.clock: Clock = clock
        self._virtual_time = virtual_time
        self._on_log = on_log
        self._works_outside = works
        self._concurrency = concurrency
        self._clients: dict[tuple[str, str], Any] = {}
        self._credentials: dict[str, dict[str, str]] = {}
        self._clients_lock = threading.RLock()
        self._session = boto3.session.Session()
        self._event_sources: list[EventSource] = []
        self._schedules: list[Schedule] = []
        self._scheduler = Scheduler(self.client_of_role)
        self._authoriser = iam.Authoriser()
        self._corrections = Corrections()
        self._quiet_polls = 0
        self._closed = False
        clock.start()
        logging.getLogger("moto").setLevel(logging.CRITICAL)
        self._moto = mock_aws(config=MOTO_SETTINGS)
        self._moto.start()
        self._functions = FunctionHost(
            self._function_environment, self._on_line, virtual_time, hook
        )
        self._delivery = Delivery(self.client, self._functions)
        self._correct_moto()
        self._gateway = Gateway(self._functions, self._authoriser)
        self._endpoint = Endpoint(port, self._gateway)
        try:
            self._create(root.resolve(), parameters or {}, stack_name)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The HTTP endpoint of every AWS service here: AWS_ENDPOINT_URL for other programs."""
        return self._endpoint.url

    @property
    def api_url(self) -> str:
        """The HTTP address of the stack's one REST API, its stage included; no slash at its end."""
        [path] = self._gateway.addresses
        return self.url + path

    @property
    def decisions(self) -> list[Decision]:
        """Every decision on a call made under a role, in order."""
        return self._authoriser.decisions

    @property
    def functions(self) -> list[Function]:
        return self._functions.functions

    @property
    def processes(self) -> list[Process]:
        """The functions' processes that are there now."""
        return self._functions.processes

    def function(self, identifier: str) -> Function:
        """The function with this logical id, name or ARN; KeyError if there is none."""
        return self._functions.find(identifier)

    def end_idle_processes(self, function: str) -> None:
        """Let the function's next call start in a new process, which has read nothing yet."""
        self._functions.end_idle(function)

    def invocations(self, function: str | None = None) -> list[Invocation]:
        """The recent invocations, of one function or of all, oldest first."""
        invocations = list(self._functions.invocations)
        if function is None:
            return invocations
        name = self.function(function).name
        return [invocation for invocation in invocations if invocation.function == name]

    @property
    def invocations_begun(self) -> int:
        """How many invocations there have been, of all functions."""
        return self._functions.begun

    def logs(self, function: str) -> list[str]:
        """The log lines of a function's recent invocations."""
        return [line for invocation in self.invocations(function) for line in invocation.lines]

    def client(self, service: str) -> Any:
        """A shared boto3 client that talks to moto in this process and may do everything."""
        return self._client(service, "")

    def client_of_role(self, service: str, role_arn: str) -> Any:
        """A shared boto3 client with the credentials of a role of the stack."""
        return self._client(service, role_arn)

    def run_until(
        self, predicate: Callable[[], Any], timeout: float = 30, jump: bool = True
    ) -> None:
        """Wait until `predicate` is true, at most `timeout` seconds of real time.

        In virtual time, the clock jumps to the next deadline whenever nothing is working, unless
        `jump` is false. Errors: TimeoutError.
        """
        end = time.monotonic() + timeout
        self._quiet_polls = 0
        changes = -1
        while not predicate():
            if time.monotonic() > end:
                raise TimeoutError(
                    f"not reached in {timeout} s; {self._functions.in_flight} functions running, "
                    f"clock {clock.offset:.0f} s ahead"
                )
            if jump and self._virtual_time and self.is_still and not self.held:
                self._jump()
                self._quiet_polls = 0
            still = self._is_quiet() and clock.changes == changes
            self._quiet_polls = self._quiet_polls + 1 if still else 0
            changes = clock.changes
            time.sleep(POLL_SECONDS)

    @property
    def is_still(self) -> bool:
        """Within `run_until`: whether nothing has worked for a moment, but for held functions."""
        return self._quiet_polls >= QUIET_POLLS

    @property
    def held(self) -> int:
        """How many invocations the hook holds. Time does not jump over what they may do."""
        return self._functions.held

    def _is_quiet(self) -> bool:
        return (
            clock.is_quiet()
            and self._functions.in_flight == self._functions.held
            and not self._works_outside()
            and not any(source.has_messages() for source in self._event_sources)
        )

    def _jump(self) -> None:
        deadline = clock.next_deadline()
        if deadline is not None:
            clock.advance(deadline - clock.now() + JUMP_MARGIN_SECONDS)

    def close(self) -> None:
        """End every process and thread, and give moto its original behaviour back."""
        if self._closed:
            return
        self._closed = True
        clock.stop()
        self._functions.close()
        self._endpoint.close()
        for source in self._event_sources:
            source.join(CLOSING_SECONDS)
        WorkerThread.join_all(CLOSING_SECONDS)
        self._corrections.undo()
        self._moto.stop()
        self._open.release()

    # -- deployment

    def _correct_moto(self) -> None:
        corrections = self._corrections
        requests.correct(corrections)
        cloudformation.correct(corrections, self.client)
        appconfig.correct(corrections)
        dynamodb.correct(corrections)
        sqs.correct(corrections, self._queue_changed)
        awslambda.correct(corrections, self._functions)
        stepfunctions.correct(corrections)
        interpreter.correct(corrections, self.client_of_role)
        eventbridge.correct(corrections, self._delivery.deliver, self._rule_switched)
        scheduler.correct(corrections, self._scheduler.look_again)
        iam.evaluate_identity_policies(corrections, self._authoriser)

    def deploy(self, root: Path) -> None:
        """Deploy another version of the project: the code of its functions, and its definitions.

        What else a template may change stays as it is. Executions under way keep the definition
        they began with, invocations under way their code.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html
        """
        loaded = template.load(root.resolve() / "template.yaml", self._parameters)
        self._functions.deploy(loaded.code)
        for logical_id, resource in loaded.cloudformation["Resources"].items():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                properties = cloudformation.resolved(resource, self._stack)["Properties"]
                self.client("stepfunctions").update_state_machine(
                    stateMachineArn=self.resources[logical_id],
                    definition=stepfunctions.definition_of(properties),
                )

    def _create(self, root: Path, parameters: dict[str, str], stack_name: str) -> None:
        self._parameters = parameters
        loaded = template.load(root / "template.yaml", parameters)
        self._upload_placeholder_code()
        self._stack = stack = cloudformation.create_stack(
            stack_name, loaded.cloudformation, parameters
        )
        created = {
            logical_id: stack.resource_map[logical_id]
            for logical_id in loaded.cloudformation["Resources"]
        }
        self.resources: dict[str, str] = {
            logical_id: resource.physical_resource_id
            for logical_id, resource in created.items()
            if hasattr(resource, "physical_resource_id")
        }
        self.outputs: dict[str, str] = {
            output.key: output.value for output in stack.output_map.values() if output
        }
        for logical_id, path in loaded.code.items():
            if created[logical_id] is not None:
                self._functions.add(self._deployed(logical_id, created[logical_id], path))
        self._gateway.serve(loaded.cloudformation["Resources"], stack)
        self._start_event_sources()
        self._schedules = schedules(self._delivery.deliver)
        for schedule in self._schedules:
            schedule.start()
        self._scheduler.start()

    def _deployed(self, logical_id: str, created: Any, path: list[str]) -> Function:
        """A function as moto's CloudFormation created it."""
        return Function(
            logical_id=logical_id,
            name=created.function_name,
            arn=created.function_arn,
            handler=created.handler,
            role=created.role,
            path=path,
            environment=dict(created.environment_vars or {}),
            timeout=float(created.timeout),
            memory=int(created.memory_size),
            concurrency=int(created.reserved_concurrency or self._concurrency),
            dead_letter_queue=created.dead_letter_config.get("TargetArn"),
        )

    def _upload_placeholder_code(self) -> None:
        """CloudFormation wants code in S3; what runs is the template's folders."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("placeholder", "")
        s3 = self.client("s3")
        s3.create_bucket(Bucket=template.CODE_BUCKET)
        s3.put_object(Bucket=template.CODE_BUCKET, Key=template.CODE_KEY, Body=archive.getvalue())

    def _start_event_sources(self) -> None:
        mappings: Iterable[Any] = lambda_backend(ACCOUNT, REGION)._event_source_mappings.values()
        self._event_sources = [
            EventSource(mapping, self._functions, self.client_of_role) for mapping in mappings
        ]
        for source in self._event_sources:
            source.start()

    # -- callbacks

    def _queue_changed(self, queue_arn: str) -> None:
        for source in self._event_sources:
            if source.queue_arn == queue_arn:
                source.look_again()

    def _rule_switched(self, rule: Any) -> None:
        for schedule in self._schedules:
            if schedule.rule is rule:
                schedule.look_again()

    def _on_line(self, function: str, request_id: str, line: str) -> None:
        for metrics in metrics_of(line):
            self.client("cloudwatch").put_metric_data(**metrics)
        if self._on_log:
            self._on_log(function, request_id, line)

    def _function_environment(self, function: Function) -> dict[str, str]:
        credentials = self._role_credentials(function.role)
        return {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            **{name.upper(): value for name, value in credentials.items()},
        }

    def _role_credentials(self, role_arn: str) -> dict[str, str]:
        """Credentials of a session of the role, as the parameters of a boto3 client."""
        with self._clients_lock:
            if role_arn not in self._credentials:
                session = role_arn.split("/")[-1][:64]
                assumed = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session)[
                    "Credentials"
                ]
                self._credentials[role_arn] = {
                    "aws_access_key_id": assumed["AccessKeyId"],
                    "aws_secret_access_key": assumed["SecretAccessKey"],
                    "aws_session_token": assumed["SessionToken"],
                }
            return self._credentials[role_arn]

    def _client(self, service: str, role_arn: str) -> Any:
        # One lock for all: creating clients is not thread-safe and takes most of a call's time.
        with self._clients_lock:
            if (service, role_arn) not in self._clients:
                if role_arn:
                    credentials = self._role_credentials(role_arn)
                else:
                    credentials = {
                        "aws_access_key_id": "local",
                        "aws_secret_access_key": "local",
                    }
                self._clients[service, role_arn] = self._session.client(
                    service,
                    region_name=REGION,
                    # The interpreter's parameters are not checked before the call, as in moto.
                    config=Config(
                        parameter_validation=not role_arn, retries={"total_max_attempts": 1}
                    ),
                    **credentials,
                )
            return self._clients[service, role_arn]
