"""Event source mappings from SQS to Lambda.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

from moto.sqs.models import sqs_backends

from local.cloud.clock import ClockStopped, VirtualEvent, WorkerThread, clock
from local.cloud.functions import FunctionHost, Invocation
from local.cloud.names import ACCOUNT, REGION
from local.cloud.sqs import next_visible

DEFAULT_CONCURRENCY = 5
LARGEST_RECEIVE = 10


class EventSource:
    """Polls the queue of one mapping and invokes its function with batches of messages."""

    def __init__(
        self,
        mapping: Any,
        functions: FunctionHost,
        client: Callable[[str, str], Any],
    ) -> None:
        """`client` gives a client of a service with the credentials of the function's role."""
        self._mapping = mapping
        self._functions = functions
        self._function = functions.find(mapping.function_arn)
        self._client = client
        self._queue = sqs_backends[ACCOUNT][REGION].queues[mapping.event_source_arn.split(":")[-1]]
        self._url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self._queue.name}"
        scaling = mapping.scaling_config or {}
        concurrency = int(scaling.get("MaximumConcurrency", DEFAULT_CONCURRENCY))
        self._workers = threading.BoundedSemaphore(concurrency)
        self._changed = VirtualEvent()
        self._thread = threading.Thread(
            name=f"event-source-{self._queue.name}", target=self._poll, daemon=True
        )

    @property
    def queue_arn(self) -> str:
        return self._mapping.event_source_arn

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the poller's end, after the clock has been stopped."""
        self._thread.join(seconds)

    def look_again(self) -> None:
        """Say that the queue may have a visible message."""
        self._changed.set()

    def has_messages(self) -> bool:
        """Whether there are messages to poll now."""
        return bool(self._mapping.enabled and self._queue.messages)

    def _poll(self) -> None:
        with contextlib.suppress(ClockStopped):
            while not clock.stopped:
                self._changed.clear()
                if self.has_messages():
                    self._workers.acquire()
                    self._take_batch()
                else:
                    at = next_visible(self._queue)
                    self._changed.wait(None if at is None else at - clock.now() + 0.001)

    def _take_batch(self) -> None:
        """Receive a batch and hand it to a worker, which returns its slot."""
        clock.begin_work()
        try:
            messages = self._receive()
            if messages:
                WorkerThread(
                    name=f"batch-{self._queue.name}", target=self._handle, args=(messages,)
                ).start()
            else:
                self._workers.release()
        finally:
            clock.end_work()

    def _receive(self) -> list[dict[str, Any]]:
        sqs = self._client("sqs", self._function.role)
        messages: list[dict[str, Any]] = []
        while len(messages) < self._mapping.batch_size:
            received = sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(LARGEST_RECEIVE, self._mapping.batch_size - len(messages)),
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not received:
                break
            messages += received
        return messages

    def _handle(self, messages: list[dict[str, Any]]) -> None:
        try:
            records = [record(message, self.queue_arn) for message in messages]
            payload = json.dumps({"Records": records}).encode()
            invocation = self._functions.invoke(self._function.name, payload)
            failed = self._failed(invocation, {message["MessageId"] for message in messages})
            sqs = self._client("sqs", self._function.role)
            for message in messages:
                if message["MessageId"] not in failed:
                    sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        finally:
            self._workers.release()

    def _failed(self, invocation: Invocation, batch: set[str]) -> set[str]:
        """The ids of the messages to keep. A malformed answer fails the whole batch."""
        if invocation.failed:
            return batch
        if "ReportBatchItemFailures" not in (self._mapping.function_response_types or []):
            return set()
        try:
            answer = json.loads(invocation.outcome.payload) or {}
            failures = answer.get("batchItemFailures") or []
            failed = {failure["itemIdentifier"] for failure in failures}
        except (AttributeError, KeyError, TypeError, ValueError):
            return batch
        return failed if failed <= batch else batch


def record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    """A message as a function gets it.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    attributes = {
        name: {
            "stringValue": attribute.get("StringValue"),
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": attribute["DataType"],
        }
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
