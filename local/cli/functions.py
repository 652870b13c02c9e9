"""Calling the stack's functions through Lambda."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from local.cli.errors import Failure
from local.cli.target import Target


@dataclass(frozen=True)
class Answer:
    """What a function returned, or the error that it ended with; `log` is the tail of its log."""

    payload: Any
    failed: bool
    log: str

    @property
    def error(self) -> str:
        """The error in one line."""
        payload = self.payload if isinstance(self.payload, dict) else {}
        kind = payload.get("errorType", "Error")
        return f"{kind}: {' '.join(str(payload.get('errorMessage', '')).split())}"


def invoke(target: Target, logical_id: str, event: Any) -> Answer:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""
    response = target.client("lambda").invoke(
        FunctionName=target.id(logical_id), Payload=json.dumps(event), LogType="Tail"
    )
    return Answer(
        payload=json.loads(response["Payload"].read() or b"null"),
        failed="FunctionError" in response,
        log=base64.b64decode(response.get("LogResult", "")).decode(errors="replace"),
    )


def result(target: Target, logical_id: str, event: Any) -> Any:
    """The function's answer. Raises Failure with its own words when it refuses."""
    answer = invoke(target, logical_id, event)
    if answer.failed:
        raise Failure(answer.error)
    return answer.payload
