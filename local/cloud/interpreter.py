"""Corrections of moto's interpreter of state machines.

The language: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
"""

import collections
import datetime
import functools
import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import moto.stepfunctions.parser.models  # noqa: F401  (loads the whole interpreter)
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from local.cloud import jsonata
from local.cloud.clock import VirtualDatetime, VirtualEvent, WorkerThread, clock
from local.cloud.corrections import Corrections, module_with

PACKAGE = "moto.stepfunctions.parser."
COMMON = "asl.component.common."

NEVER_CAUGHT_BY_ALL = ("States.Runtime", "States.DataLimitExceeded")
"""https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""


def module(name: str) -> Any:
    return importlib.import_module(PACKAGE + name)


def modules_with(attribute: str) -> list[Any]:
    return [
        loaded
        for name, loaded in list(sys.modules.items())
        if name.startswith(PACKAGE) and hasattr(loaded, attribute)
    ]


def evaluate_jsonata(corrections: Corrections) -> None:
    """moto has no JSONata evaluator of its own, splices values into the expression's text, and
    lacks the functions Step Functions adds."""
    expressions = module(COMMON + "string.string_expression")

    def eval_body(self: Any, env: Any) -> None:
        states = {
            name: value
            for name, value in env.states._states_data.items()
            if value is not None or name == "input"
        }
        variables = env.variable_store
        bindings = {"states": states, **variables._outer_scope, **variables._inner_scope}
        try:
            env.stack.append(jsonata.evaluate(self.expression, bindings))
        except jsonata.Undefined as undefined:
            raise query_error(env, str(undefined)) from undefined
        except Exception as error:
            code = getattr(error, "error", type(error).__name__)
            cause = f"The JSONata expression '{self.expression}' threw an error: {code} {error}"
            raise query_error(env, cause) from error

    corrections.replace(expressions.StringJSONata, "_eval_body", eval_body)
    jsonata.follow_the_clock(corrections)


def query_error(env: Any, cause: str) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(
        cause=cause, error=name.error_name, state=env.next_state_name
    )
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )


def keep_text_escapes(corrections: Corrections) -> None:
    """Escapes in a literal text of a definition, such as \\" or \\n, reach the state unread."""
    preprocessor = module("asl.parse.preprocessor")

    def from_string_literal(parser_rule_context: Any) -> str:
        text = parser_rule_context.getText()
        return json.loads(text) if text.startswith('"') else text

    def inner_string_of(parser_rule_context: Any) -> str | None:
        if preprocessor.is_terminal(parser_rule_context, preprocessor.ASLLexer.NULL):
            return None
        return from_string_literal(parser_rule_context)

    corrections.replace(preprocessor, "from_string_literal", from_string_literal)
    corrections.replace(
        preprocessor.Preprocessor, "_inner_string_of", staticmethod(inner_string_of)
    )


def fail_with_states_errors(corrections: Corrections) -> None:
    """A Fail state that raises an error named `States.…` again crashes the interpreter."""
    names = module(COMMON + "error_name.custom_error_name")

    def init(self: Any, error_name: str | None) -> None:
        self.error_name = error_name

    corrections.replace(names.CustomErrorName, "__init__", init)


def keep_runtime_errors_from_all(corrections: Corrections) -> None:
    """`States.ALL` catches and retries States.Runtime and States.DataLimitExceeded."""
    declarations = module(COMMON + "error_name.error_equals_decl")
    eval_body = declarations.ErrorEqualsDecl._eval_body

    def match(self: Any, env: Any) -> None:
        error = getattr(env.stack[-1], "error_name", None)
        if error in NEVER_CAUGHT_BY_ALL:
            env.stack[-1] = error in [name.error_name for name in self.error_names]
        else:
            eval_body(self, env)

    corrections.replace(declarations.ErrorEqualsDecl, "_eval_body", match)


def name_unmatched_choices(corrections: Corrections) -> None:
    """A choice without a match fails with States.Runtime instead of States.NoChoiceMatched."""
    choices = module("asl.component.state.choice.state_choice")
    eval_state = choices.StateChoice._eval_state

    def choose(self: Any, env: Any) -> None:
        try:
            eval_state(self, env)
        except RuntimeError as error:
            name = StatesErrorName(StatesErrorNameType.StatesNoChoiceMatched)
            details = {"error": name.error_name, "cause": str(error)}
            raise FailureEventException(
                FailureEvent(
                    env=env,
                    error_name=name,
                    event_type=HistoryEventType.ChoiceStateEntered,
                    event_details=EventDetails(executionFailedEventDetails=details),
                )
            ) from error

    corrections.replace(choices.StateChoice, "_eval_state", choose)


def name_denied_invocations(corrections: Corrections) -> None:
    """A function the role may not invoke fails with Lambda.AccessDeniedException instead of
    Lambda.AWSLambdaException."""
    tasks = module("asl.component.state.exec.state_task.service.state_task_service_lambda")
    error_and_cause = tasks.StateTaskServiceLambda._error_cause_from_client_error

    def name(client_error: Any) -> tuple[str, str]:
        error, cause = error_and_cause(client_error)
        denied = error == "Lambda.AccessDeniedException"
        return ("Lambda.AWSLambdaException" if denied else error), cause

    corrections.replace(
        tasks.StateTaskServiceLambda, "_error_cause_from_client_error", staticmethod(name)
    )


def write_failed_entries_as_text(corrections: Corrections) -> None:
    """The cause of EventBridge.FailedEntry is an object, where a cause is always text."""
    tasks = module("asl.component.state.exec.state_task.service.state_task_service_events")

    class FailedEntries(tasks.SfnFailedEntryCountException):
        def __init__(self, cause: Any) -> None:
            super().__init__(json.dumps(cause))

    corrections.replace(tasks, "SfnFailedEntryCountException", FailedEntries)


def end_task_tokens_with_their_attempt(corrections: Corrections) -> None:
    """The token of a task stays valid after the task has timed out, and a retry waits for the
    token that was answered already, so that it fails at once."""
    states = module("asl.component.state.exec.execute_state")
    evaluate_once = states.ExecutionState._evaluate_with_timeout

    def evaluate(self: Any, env: Any) -> None:
        context = env.states.context_object
        tokens = env.callback_pool_manager
        if "Task" not in context.context_object_data:
            evaluate_once(self, env)
            return
        if context.context_object_data["State"]["RetryCount"]:
            tokens.add(context.update_task_token())
        token = context.context_object_data["Task"]["Token"]
        try:
            evaluate_once(self, env)
        finally:
            tokens.get(token).interrupt_all()

    corrections.replace(states.ExecutionState, "_evaluate_with_timeout", evaluate)


def interrupt_waits_between_retries(corrections: Corrections) -> None:
    """An execution that waits before a retry cannot be stopped."""
    retries = module(COMMON + "retry.retrier_decl")
    eval_body = retries.RetrierDecl._eval_body
    waiting = threading.local()

    def retry(self: Any, env: Any) -> None:
        waiting.env = env
        eval_body(self, env)

    def sleep(seconds: float) -> None:
        waiting.env.program_state_event.wait(seconds)

    corrections.replace(retries.RetrierDecl, "_eval_body", retry)
    corrections.replace(retries, "time", module_with(time, sleep=sleep))


def run_distributed_maps(corrections: Corrections) -> None:
    """The items of a Distributed Map with an ItemSelector are not run, they share the variables of
    the run, and one that fails counts as done, with null as its output."""
    maps = "asl.component.state.exec.state_map.iteration.itemprocessor."
    worker = module(maps + "distributed_item_processor_worker").DistributedItemProcessorWorker
    variables = module("asl.eval.variable_store")
    run_inline = module(maps + "inline_item_processor_worker").InlineItemProcessorWorker._eval_job

    def select(self: Any, env_frame: Any) -> None:
        if self._item_selector:
            env_frame.states.reset(self._env.states.get_input())
            self._item_selector.eval(env_frame)
            env_frame.states.reset(env_frame.stack.pop())
        env_frame.variable_store = variables.VariableStore()

    def run(self: Any, env: Any, job: Any) -> None:
        run_inline(self, env, job)
        if isinstance(job.job_output, Exception):
            name = StatesErrorName(StatesErrorNameType.StatesExceedToleratedFailureThreshold)
            details = {"error": name.error_name, "cause": "an item failed, and none may"}
            job.job_output = FailureEventException(
                FailureEvent(
                    env=env,
                    error_name=name,
                    event_type=HistoryEventType.MapRunFailed,
                    event_details=EventDetails(executionFailedEventDetails=details),
                )
            )

    corrections.replace(worker, "_eval_input", select)
    corrections.replace(worker, "_eval_job", run)


def parse_definitions_once(corrections: Corrections) -> None:
    """A definition is parsed again for every execution, which takes longer than to run it."""
    parser = module("asl.parse.asl_parser").AmazonStateLanguageParser
    parse = staticmethod(functools.lru_cache(256)(parser.parse))
    corrections.replace(parser, "parse", parse)


def parse_paths_once(corrections: Corrections) -> None:
    """A path is parsed again each time it is used, and every task has one, if only `$`."""
    for name in (COMMON + "path.result_path", "asl.utils.json_path"):
        using = module(name)
        corrections.replace(using, "parse", functools.lru_cache(256)(using.parse))


def forget_threads(corrections: Corrections) -> None:
    """Every thread that ever ran is kept."""
    for loaded in modules_with("TMP_THREADS"):
        corrections.replace(loaded, "TMP_THREADS", collections.deque(maxlen=1))


def call_as_the_role(corrections: Corrections, client: Callable[[str, str], Any]) -> None:
    """Tasks call other services with made-up credentials, over a new client each; `client` gives
    one for a service and the ARN of the state machine's role."""

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        return client(service, state_credentials.role_arn)

    for loaded in modules_with("boto_client_for"):
        corrections.replace(loaded, "boto_client_for", client_for)


def follow_the_clock(corrections: Corrections) -> None:
    """Every wait, time stamp and thread of the interpreter runs on real time."""
    threads = module_with(threading, Event=VirtualEvent, Thread=WorkerThread)
    planted = (
        ("threading", threading, threads),
        ("Event", threading.Event, VirtualEvent),
        ("Thread", threading.Thread, WorkerThread),
    )
    for attribute, original, virtual in planted:
        for loaded in modules_with(attribute):
            if getattr(loaded, attribute) is original:
                corrections.replace(loaded, attribute, virtual)
    wait = module("asl.component.state.wait.wait_function.wait_function")
    corrections.replace(wait, "time", module_with(time, time=clock.now))
    virtual_datetime = module_with(datetime, datetime=VirtualDatetime)
    for name in (
        "asl.component.state.state",
        "asl.component.state.wait.wait_function.timestamp",
        "asl.eval.event.event_manager",
        "backend.execution",
        "models",
    ):
        corrections.replace(module(name), "datetime", virtual_datetime)


def correct(corrections: Corrections, client: Callable[[str, str], Any]) -> None:
    evaluate_jsonata(corrections)
    keep_text_escapes(corrections)
    fail_with_states_errors(corrections)
    keep_runtime_errors_from_all(corrections)
    name_unmatched_choices(corrections)
    name_denied_invocations(corrections)
    write_failed_entries_as_text(corrections)
    end_task_tokens_with_their_attempt(corrections)
    interrupt_waits_between_retries(corrections)
    run_distributed_maps(corrections)
    parse_definitions_once(corrections)
    parse_paths_once(corrections)
    forget_threads(corrections)
    call_as_the_role(corrections, client)
    follow_the_clock(corrections)
