"""Delivers events of EventBridge rules to their targets, with retries and dead-letter queues.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from moto.awslambda.utils import get_backend
from moto.sqs.models import sqs_backends

from local.cloud.clock import WorkerThread, clock
from local.cloud.functions import FunctionHost
from local.cloud.iam import Access, as_list, condition_holds, matches
from local.cloud.input_transformer import target_input
from local.cloud.names import ACCOUNT, REGION

SERVICE = "events.amazonaws.com"
DEFAULT_RETRIES = 185
DEFAULT_AGE_SECONDS = 86_400
LONGEST_PAUSE_SECONDS = 60
ASYNCHRONOUS_RETRY_PAUSES = (60, 120)
"""https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""


class Undeliverable(Exception):
    """A failure that a retry cannot mend."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Failure:
    """Why something was given up, after how many retries, and what kept it from more of them."""

    code: str
    message: str
    retries: int
    condition: str


def repeat(policy: dict[str, Any], send: Callable[[], None]) -> Failure | None:
    """Send until it is done, with the pauses and as often as a retry policy allows."""
    retries = int(policy.get("MaximumRetryAttempts", DEFAULT_RETRIES))
    expiry = clock.now() + int(policy.get("MaximumEventAgeInSeconds", DEFAULT_AGE_SECONDS))
    attempt = 0
    while True:
        try:
            send()
            return None
        except Undeliverable as error:
            return Failure(error.code, str(error), attempt, "NO_RETRY")
        except ClientError as error:
            if attempt >= retries or clock.now() >= expiry:
                code = error.response["Error"]["Code"]
                return Failure(code, str(error), attempt, "MAX_RETRY_ATTEMPTS")
        attempt += 1
        clock.sleep(random.uniform(0.5, 1) * min(2**attempt, LONGEST_PAUSE_SECONDS))


class Delivery:
    """Sends events to queues, functions, buses and log groups."""

    def __init__(self, client: Callable[[str], Any], functions: FunctionHost) -> None:
        self._client = client
        self._functions = functions

    def deliver(self, target: dict[str, Any], event: dict[str, Any], rule: Any) -> None:
        """Deliver in the background."""
        WorkerThread(
            name=f"delivery-{rule.name}", target=self._deliver, args=(target, event, rule)
        ).start()

    def _deliver(self, target: dict[str, Any], event: dict[str, Any], rule: Any) -> None:
        body = target_input(target, event, rule)
        policy = target.get("RetryPolicy", {})
        if failure := repeat(policy, lambda: self._send(target, body, rule)):
            self._bury(target, event, rule, failure)

    def _send(self, target: dict[str, Any], body: str, rule: Any) -> None:
        arn = target["Arn"]
        match arn.split(":")[2]:
            case "sqs":
                require_queue_permission(arn, rule.arn)
                self._client("sqs").send_message(QueueUrl=queue_url(arn), MessageBody=body)
            case "lambda":
                require_function_permission(arn, rule.arn)
                self.invoke_asynchronously(arn, body.encode())
            case "events":
                self._put_on_bus(arn, json.loads(body))
            case "logs":
                self._log(arn.split(":log-group:")[1].split(":")[0], body)
            case service:
                raise NotImplementedError(f"target of service {service}")

    def _put_on_bus(self, arn: str, event: dict[str, Any]) -> None:
        entry = {
            "EventBusName": arn,
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"],
        }
        self._client("events").put_events(Entries=[entry])

    def _log(self, group: str, body: str) -> None:
        stream = uuid.uuid4().hex
        logs = self._client("logs")
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        entry = {"timestamp": int(clock.now() * 1000), "message": body}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[entry])

    def _bury(
        self, target: dict[str, Any], event: dict[str, Any], rule: Any, failure: Failure
    ) -> None:
        """Send the original event to the target's dead-letter queue, if it has one."""
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if not queue or not queue_permits(queue, rule.arn):
            return
        attributes = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": failure.message,
            "EXHAUSTED_RETRY_CONDITION": failure.condition,
            "RETRY_ATTEMPTS": str(failure.retries),
        }
        send_letter(self._client("sqs"), queue, json.dumps(event), attributes)

    def invoke_asynchronously(self, function: str, payload: bytes) -> None:
        """Invoke a function in the background, with Lambda's two retries; then its dead-letter
        queue gets the event."""
        WorkerThread(
            name="asynchronous-invocation", target=self._invoke, args=(function, payload)
        ).start()

    def _invoke(self, function: str, payload: bytes) -> None:
        invocation = self._functions.invoke(function, payload)
        for pause in ASYNCHRONOUS_RETRY_PAUSES:
            if not invocation.failed:
                return
            clock.sleep(pause)
            invocation = self._functions.invoke(function, payload)
        queue = self._functions.find(function).dead_letter_queue
        if invocation.failed and queue:
            error = json.loads(invocation.outcome.payload)
            attributes = {
                "RequestID": invocation.request_id,
                "ErrorCode": "200",
                "ErrorMessage": str(error.get("errorMessage", ""))[:1024] or "none",
            }
            send_letter(self._client("sqs"), queue, payload.decode(), attributes)


def send_letter(sqs: Any, queue: str, body: str, attributes: dict[str, str]) -> None:
    """Put a dead letter into a queue, by its ARN; the attributes say why it is one."""
    sqs.send_message(
        QueueUrl=queue_url(queue),
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def queue_named(arn: str) -> Any:
    return sqs_backends[ACCOUNT][REGION].queues.get(arn.split(":")[-1])


def queue_url(arn: str) -> str:
    return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{arn.split(':')[-1]}"


def resource_policy_permits(
    statements: list[dict[str, Any]], action: str, resource: str, source: str
) -> bool:
    """Whether a resource's policy lets EventBridge act for the rule `source`."""
    access = Access(action, resource, (("aws:sourcearn", source),))
    return any(
        statement["Effect"] == "Allow"
        and SERVICE in as_list(principal_service(statement))
        and matches(statement["Action"], access.action, ignore_case=True)
        and all(
            condition_holds(operator, as_list(values), dict(access.conditions).get(key.lower()))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
        for statement in statements
    )


def principal_service(statement: dict[str, Any]) -> Any:
    principal = statement.get("Principal", {})
    return principal.get("Service", []) if isinstance(principal, dict) else SERVICE


def queue_permits(queue_arn: str, rule_arn: str) -> bool:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"""
    queue = queue_named(queue_arn)
    if queue is None:
        return False
    statements = queue._policy_json.get("Statement", [])
    return resource_policy_permits(statements, "sqs:SendMessage", queue_arn, rule_arn)


def require_queue_permission(queue_arn: str, rule_arn: str) -> None:
    if queue_named(queue_arn) is None:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"no queue {queue_arn}")
    if not queue_permits(queue_arn, rule_arn):
        raise Undeliverable("NO_PERMISSIONS", f"the queue's policy does not let {rule_arn} send")


def require_function_permission(function_arn: str, rule_arn: str) -> None:
    function = get_backend(ACCOUNT, REGION).get_function(function_arn.split(":function:")[-1])
    statements = function.policy.statements
    if not resource_policy_permits(statements, "lambda:InvokeFunction", function_arn, rule_arn):
        raise Undeliverable("NO_PERMISSIONS", f"the function's policy does not let {rule_arn} call")
