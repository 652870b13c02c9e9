"""Corrections of moto's Step Functions API: state machines, executions and task tokens.

The corrections of its interpreter are in `interpreter.py`.
"""

import json
import threading
import uuid
from typing import Any

import moto.stepfunctions.models as models
import moto.stepfunctions.parser.asl.eval.callback.callback as callbacks
import moto.stepfunctions.parser.asl.eval.environment as environments
import moto.stepfunctions.parser.backend.execution as executions
import moto.stepfunctions.parser.models as parser_models
import moto.stepfunctions.responses as responses
from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.asl.eval.program_state import (
    ProgramEnded,
    ProgramError,
    ProgramStopped,
    ProgramTimedOut,
)

from local.cloud.clock import clock
from local.cloud.corrections import Corrections
from local.cloud.names import ACCOUNT, REGION

Backend = parser_models.StepFunctionsParserBackend
Responses = responses.StepFunctionResponse

HISTORY_PAGE = 1000
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html"""


def backend() -> Any:
    """The back end that executes state machines."""
    return parser_models.stepfunctions_parser_backends[ACCOUNT][REGION]


def definition_of(properties: dict[str, Any]) -> str:
    """The definition that a template's properties of a state machine amount to.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
    """
    definition = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace(f"${{{key}}}", str(value))
    return definition


def create_executing_state_machines(corrections: Corrections) -> None:
    """A template's state machine ignores its name and its DefinitionSubstitutions, and is created
    in the back end that does not execute."""

    def create(
        cls: Any, name: str, resource: dict[str, Any], account: str, region: str, **rest: Any
    ) -> Any:
        properties = resource["Properties"]
        return backend().create_state_machine(
            properties.get("StateMachineName", name),
            definition_of(properties),
            properties["RoleArn"],
            sm_type=properties.get("StateMachineType"),
        )

    corrections.replace(models.StateMachine, "create_from_cloudformation_json", classmethod(create))
    corrections.replace(
        models, "stepfunctions_backends", parser_models.stepfunctions_parser_backends
    )


def name_every_execution(corrections: Corrections) -> None:
    """Executions started without a name are all called None, and two starts with one name at
    the same time both run."""
    start_execution = Backend.start_execution
    lock = threading.Lock()

    def start(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Any:
        with lock:
            return start_execution(
                self, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header
            )

    corrections.replace(Backend, "start_execution", start)


def write_start_time_as_text(corrections: Corrections) -> None:
    """The start time in the context object is a datetime, which JSONata cannot read."""
    start_details = executions.Execution.get_start_execution_details

    def details(execution: Any) -> Any:
        found = start_details(execution)
        found.start_time = execution.start_date.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        return found

    corrections.replace(executions.Execution, "get_start_execution_details", details)


def end_executions_at_once(corrections: Corrections) -> None:
    """An execution is seen as succeeded or failed before its output, error or cause is there."""
    communication = executions.BaseExecutionWorkerCommunication
    reflect_status = communication._reflect_execution_status

    def reflect(self: Any) -> None:
        execution = self.execution
        state = execution.exec_worker.env.program_state()
        if isinstance(state, ProgramEnded):
            execution.output = execution.exec_worker.env.states.get_input()
        elif isinstance(state, ProgramError):
            execution.error = state.error.get("error")
            execution.cause = state.error.get("cause")
        elif isinstance(state, ProgramStopped):
            execution.error = state.error
            execution.cause = state.cause
        reflect_status(self)

    corrections.replace(communication, "_reflect_execution_status", reflect)


def describe_ends_of_executions(corrections: Corrections) -> None:
    """The stop time of a timed-out execution is missing, and so is an output that is null; a
    text output is not JSON."""
    describe_execution = Responses.describe_execution
    list_executions = Responses.list_executions

    def describe(self: Any) -> Any:
        description = describe_execution(self)
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if execution.stop_date:
            description.result["stopDate"] = execution.stop_date
        if description.result["status"] == "SUCCEEDED":
            description.result["output"] = json.dumps(execution.output)
        return description

    def list_all(self: Any) -> Any:
        listing = list_executions(self)
        for item in listing.result["executions"]:
            execution = self.stepfunction_backend.describe_execution(item["executionArn"])
            if execution.stop_date:
                item["stopDate"] = execution.stop_date
        return listing

    corrections.replace(Responses, "describe_execution", describe)
    corrections.replace(Responses, "list_executions", list_all)


def stop_waiting_executions(corrections: Corrections) -> None:
    """StopExecution drops error and cause, and a task that waits for its token goes on waiting.
    A failure that follows the stop must not hide it."""
    set_error = environments.Environment.set_error

    def stop(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.stop(
            stop_date=clock.utc(), error=self._get_param("error"), cause=self._get_param("cause")
        )
        for endpoint in list(execution.exec_worker.env.callback_pool_manager._pool.values()):
            endpoint.interrupt_all()
        return responses.ActionResult({"stopDate": execution.stop_date or clock.utc()})

    def keep_stop(self: Any, error: Any) -> None:
        if not isinstance(self._program_state, ProgramStopped | ProgramTimedOut):
            set_error(self, error)

    corrections.replace(Responses, "stop_execution", stop)
    corrections.replace(environments.Environment, "set_error", keep_stop)


def page_execution_history(corrections: Corrections) -> None:
    """GetExecutionHistory ignores reverseOrder, maxResults and nextToken."""

    def history(self: Any) -> Any:
        output = self.stepfunction_backend.get_execution_history(self._get_param("executionArn"))
        events = output["events"]
        if self._get_param("reverseOrder"):
            events = events[::-1]
        start = int(self._get_param("nextToken") or 0)
        end = start + (self._get_param("maxResults") or HISTORY_PAGE)
        page = {"events": events[start:end]}
        if end < len(events):
            page["nextToken"] = str(end)
        return responses.ActionResult(page)

    corrections.replace(Responses, "get_execution_history", history)


def answer_task_tokens_once(corrections: Corrections) -> None:
    """A task token is accepted after its task has timed out or was answered, SendTaskFailure
    loses its cause, and a token is looked for in every execution there ever was."""
    endpoints: dict[str, Any] = {}
    lock = threading.Lock()
    add_endpoint = callbacks.CallbackPoolManager.add

    def add(self: Any, callback_id: str) -> Any:
        endpoints[callback_id] = add_endpoint(self, callback_id)
        return endpoints[callback_id]

    def open_endpoint(token: str) -> Any:
        endpoint = endpoints.get(token)
        if endpoint is None:
            raise parser_models.InvalidToken()
        if endpoint._notify_event.is_set():
            raise JsonRESTError(
                "TaskTimedOut",
                "Task Timed Out: 'Provided task does not exist anymore'",
            )
        return endpoint

    def succeed(self: Any, task_token: str, outcome: str) -> None:
        with lock:
            open_endpoint(task_token).notify(
                callbacks.CallbackOutcomeSuccess(task_token, output=outcome)
            )

    def fail(self: Any, task_token: str, error: str | None, cause: str | None = None) -> None:
        with lock:
            open_endpoint(task_token).notify(
                callbacks.CallbackOutcomeFailure(task_token, error=error, cause=cause)
            )

    def beat(self: Any, task_token: str) -> None:
        with lock:
            open_endpoint(task_token).notify_heartbeat()

    def send_task_failure(self: Any) -> Any:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"), self._get_param("error"), self._get_param("cause")
        )
        return responses.EmptyResult()

    corrections.replace(callbacks.CallbackPoolManager, "add", add)
    corrections.replace(Backend, "send_task_success", succeed)
    corrections.replace(Backend, "send_task_failure", fail)
    corrections.replace(Backend, "send_task_heartbeat", beat)
    corrections.replace(Responses, "send_task_failure", send_task_failure)


def correct(corrections: Corrections) -> None:
    create_executing_state_machines(corrections)
    name_every_execution(corrections)
    write_start_time_as_text(corrections)
    end_executions_at_once(corrections)
    describe_ends_of_executions(corrections)
    stop_waiting_executions(corrections)
    page_execution_history(corrections)
    answer_task_tokens_once(corrections)
