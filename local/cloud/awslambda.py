"""Corrections of moto's Lambda."""

import base64
from typing import Any

import moto.awslambda.models as models
import moto.awslambda_simple.models as simple_models

from local.cloud.corrections import Corrections
from local.cloud.functions import FunctionHost

LOG_TAIL_BYTES = 4096
"""https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""


def run_functions(corrections: Corrections, functions: FunctionHost) -> None:
    """moto runs functions in Docker, or answers with the request: here they run for real."""

    def invoke(
        backend: Any,
        function_name: str,
        qualifier: str | None,
        body: Any,
        headers: Any,
        response_headers: dict[str, str],
    ) -> bytes:
        function = backend.get_function(function_name, qualifier)
        invocation_type = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if invocation_type != "RequestResponse":
            raise NotImplementedError(f"invocation type {invocation_type}")
        payload = body.encode() if isinstance(body, str) else body
        invocation = functions.invoke(function.function_name, payload)
        if invocation.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        log = "\n".join(invocation.lines).encode()[-LOG_TAIL_BYTES:]
        response_headers["x-amz-log-result"] = base64.b64encode(log).decode()
        response_headers["x-amz-executed-version"] = "$LATEST"
        return invocation.outcome.payload

    corrections.replace(models.LambdaBackend, "invoke", invoke)
    corrections.replace(simple_models.LambdaSimpleBackend, "invoke", invoke)


def correct(corrections: Corrections, functions: FunctionHost) -> None:
    run_functions(corrections, functions)
