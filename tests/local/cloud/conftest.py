"""The small stack in `stack/`, running in virtual time, and the means to drive it."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.cloud import LocalCloud
from local.cloud.names import ACCOUNT, REGION

STACK = Path(__file__).parent / "stack"


class Stack:
    """Shorthand for what tests do with the stack's resources, by logical id."""

    def __init__(self, cloud: LocalCloud, outside: threading.Event) -> None:
        """`outside` is set while something works that is not of the cloud."""
        self.cloud = cloud
        self.outside = outside

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def physical(self, logical_id: str) -> str:
        return self.cloud.resources[logical_id]

    # -- functions and items

    def call(self, function: str, event: Any) -> Any:
        """The function's answer; fails if it raised."""
        answer = self.response(function, event)
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def failure(self, function: str, event: Any) -> dict[str, Any]:
        """The error a function raised."""
        answer = self.response(function, event)
        assert answer["FunctionError"] == "Unhandled"
        return json.loads(answer["Payload"].read())

    def response(self, function: str, event: Any) -> dict[str, Any]:
        return self.client("lambda").invoke(
            FunctionName=self.physical(function), Payload=json.dumps(event), LogType="Tail"
        )

    def item(self, identifier: str) -> dict[str, Any] | None:
        found = self.client("dynamodb").get_item(
            TableName=self.physical("Items"), Key={"id": {"S": identifier}}
        )
        return found.get("Item")

    # -- executions

    def start(self, case: str, name: str | None = None, **values: Any) -> str:
        return self.client("stepfunctions").start_execution(
            stateMachineArn=self.physical("Process"),
            name=name or uuid.uuid4().hex,
            input=json.dumps({"case": case, **values}),
        )["executionArn"]

    def execution(self, arn: str) -> dict[str, Any]:
        return self.client("stepfunctions").describe_execution(executionArn=arn)

    def finish(self, arn: str, jump: bool = True) -> dict[str, Any]:
        self.until(lambda: self.execution(arn)["status"] != "RUNNING", jump)
        return self.execution(arn)

    def run(self, case: str, **values: Any) -> dict[str, Any]:
        return self.finish(self.start(case, **values))

    def output(self, case: str, **values: Any) -> Any:
        description = self.run(case, **values)
        assert description["status"] == "SUCCEEDED", description
        return json.loads(description["output"])

    def history(self, arn: str, **options: Any) -> list[dict[str, Any]]:
        return self.client("stepfunctions").get_execution_history(executionArn=arn, **options)[
            "events"
        ]

    # -- queues and events

    def send(self, queue: str, body: Any) -> None:
        self.client("sqs").send_message(QueueUrl=self.physical(queue), MessageBody=json.dumps(body))

    def receive(self, queue: str) -> list[dict[str, Any]]:
        """Take every visible message out of a queue."""
        sqs = self.client("sqs")
        url = self.physical(queue)
        taken: list[dict[str, Any]] = []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken += messages
        return taken

    def depth(self, queue: str) -> int:
        """Messages in a queue, visible or not."""
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=self.physical(queue), AttributeNames=["All"]
        )["Attributes"]
        return sum(
            int(attributes[name])
            for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        )

    def publish(self, source: str, bus: str = "Bus", **detail: Any) -> str:
        """Put an event and return its id."""
        answer = self.client("events").put_events(
            Entries=[
                {
                    "EventBusName": self.physical(bus),
                    "Source": source,
                    "DetailType": "Test",
                    "Detail": json.dumps(detail),
                }
            ]
        )
        return answer["Entries"][0]["EventId"]

    # -- the API

    def request(
        self,
        method: str,
        path: str,
        content: str | bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        url = self.cloud.api_url + path
        return httpx.request(method, url, content=content, headers=headers, timeout=60)

    def session(self, role: str, name: str = "someone@interlock.example") -> Credentials:
        """Credentials of a session of one of the stack's roles."""
        arn = f"arn:aws:iam::{ACCOUNT}:role/{self.physical(role)}"
        session = self.client("sts").assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
        return Credentials(
            session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
        )

    def signature(
        self, credentials: Credentials, method: str, path: str, content: bytes = b"", **more: str
    ) -> dict[str, str]:
        """The headers that sign a request."""
        url = self.cloud.api_url + path
        request = AWSRequest(method, url, headers=more, data=content)
        SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
        return dict(request.headers.items())

    # -- time

    def until(self, predicate: Callable[[], Any], jump: bool = True) -> None:
        self.cloud.run_until(predicate, timeout=60, jump=jump)

    def now(self) -> float:
        return self.cloud.clock.now()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    outside = threading.Event()
    with LocalCloud(STACK, virtual_time=True, works=outside.is_set) as cloud:
        yield Stack(cloud, outside)
