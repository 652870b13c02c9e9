"""What every handler shares: parsing, the correlation id, logs, traces, metrics, and a skip.

`@operation` turns a function from a canonical command to a canonical record into a Lambda handler:

    @operation
    def handler(command: CreateOrder) -> Order:
        ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar, get_type_hints

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, TypeAdapter, ValidationError

from interlock.canonical.base import Command, Compensation
from interlock.errors import BusinessRuleViolation, ContractViolation, InterlockError
from interlock.telemetry import logger, metrics, tracer

C = TypeVar("C", bound=BaseModel)

# A run keeps a document as it was read and as it is written, and Step Functions ends a run that
# keeps more than 256 KiB: nothing could catch that.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_BYTES = 100_000
_ANYTHING = TypeAdapter(Any)


def operation(function: Callable[..., Any]) -> Callable[[dict[str, Any], Any], Any]:
    """A Lambda handler around a function of one command.

    Malformed input is a ContractViolation that names the fields. A step that a team decided to
    skip is not run: the answer says so. A skipped compensation is, for the ledger to note it. An
    answer that no run can keep is a BusinessRuleViolation. Every failure is logged with its context
    and counted by its name; Step Functions sees the exception's class name. A function with a
    second parameter gets the Lambda context.
    """
    parameter, *more = signature(function).parameters
    command_type = get_type_hints(function)[parameter]

    @wraps(function)
    @tracer.capture_lambda_handler(capture_response=False)
    @_counted
    def lambda_handler(event: Any, context: Any) -> Any:
        told = event if isinstance(event, dict) else {}
        correlation_id = told.get("correlation_id")
        logger.set_correlation_id(correlation_id)
        tracer.put_annotation("correlation_id", str(correlation_id))
        dry_run = told.get("dry_run") or None
        logger.append_keys(function_name=context.function_name, dry_run=dry_run)
        try:
            command = parse(command_type, event)
            skipped = _skipped(command)
            result = skipped or (function(command, context) if more else function(command))
            if isinstance(command, Command):
                _check_size(result)
        except InterlockError as error:
            metrics.add_metric(name=type(error).__name__, unit=MetricUnit.Count, value=1)
            logger.error(str(error), extra={"error": type(error).__name__})
            raise
        logger.info("done", extra={"skipped": bool(skipped)})
        return _ANYTHING.dump_python(result, mode="json")

    return lambda_handler


def event_handler(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A Lambda handler around a function of an event as AWS sends it: traced and counted."""
    return tracer.capture_lambda_handler(capture_response=False)(_counted(function))


def _counted(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Put what was counted into the log, as the embedded metrics that CloudWatch reads.

    Powertools' own decorator warns of every invocation that counts nothing, which most do.
    """

    @wraps(function)
    def counted(event: Any, context: Any) -> Any:
        try:
            return function(event, context)
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    return counted


def parse(model: type[C], content: Any) -> C:
    """A model from untrusted content.

    Raises ContractViolation that names each wrong field and why, without its value.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or model.__name__}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False)
        )
        raise ContractViolation(f"malformed {model.__name__}: {problems}") from None


def _check_size(result: Any) -> None:
    if (size := len(_ANYTHING.dump_json(result))) > MOST_BYTES:
        problem = (
            f"the record takes {size:,} bytes, and a run can keep {MOST_BYTES:,} of it (some 250"
            " lines): enter it in the ERP by hand, and take this run back"
        )
        raise BusinessRuleViolation([problem])


def _skipped(command: Any) -> dict[str, Any] | None:
    if not isinstance(command, Command) or not command.skipped:
        return None
    decision = command.remediation
    logger.warning("step skipped", extra={"by": decision.by, "reason": decision.reason})
    if isinstance(command, Compensation):
        return None
    return {"skipped": {"by": decision.by, "reason": decision.reason}}
