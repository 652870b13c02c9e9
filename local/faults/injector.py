"""Makes calls of a function fail as planned, from within the function's own process.

Loaded into each process before its handler (see `local.cloud.zygote`); it needs nothing but the
standard library, and patches httpx (every call to a vendor) and botocore (every call to AWS).

A plan is a file `plans/<mark>.json`. The mark is a text that every event of one transaction
contains, such as the id of the deal. A call is told apart by its label, which is the same in every
transaction that takes the same way:

    CreateOrderFunction 1 | POST tryton /model/sale.sale | 1

that is the function, which of the transaction's invocations of it, the call, and which of the
invocation's equal calls. What happened is appended to `traces/<mark>.jsonl`, a call a line.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

AN_ID = re.compile(r"\d+|(?![a-z]+\d(\.\d)?$)(?=.*\d).{6,}")
"""A part of a path that names one record: it has digits, and is no `v66.0` or `oauth2`."""


class Injector:
    """The faults of this process. `directory` holds plans, traces and `peers.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._peers: dict[str, str] = json.loads((directory / "peers.json").read_text())
        self._function = self._peers.get(os.environ["AWS_LAMBDA_FUNCTION_NAME"], "?")
        self._invocation: Invocation | None = None
        self._lock = threading.Lock()

    def begin(self, request_id: str, body: str) -> None:
        """An event was handed to the function."""
        mark = the_mark_in(body, self._directory)
        self._invocation = mark and Invocation(self._directory, mark, self._function, request_id)

    def cross(self, call: str, send: Callable[[], Any], faults: dict[str, Callable]) -> Any:
        """Let one call happen, or fail as planned."""
        with self._lock:
            invocation = self._invocation
            fault = invocation.fault_of(call) if invocation else None
        if fault is None:
            return send()
        if fault["kind"] == "crash_before":
            die()
        if fault["kind"] == "crash_after":
            send()
            die()
        if fault["kind"] == "timeout":
            time_out(invocation.request_id)
        return faults[fault["kind"]](send, fault)

    # -- vendors

    def watch_vendors(self) -> None:
        """Every request that httpx sends."""
        import httpx

        sent = httpx.HTTPTransport.handle_request

        def read(transport: Any, request: Any) -> Any:
            response = sent(transport, request)
            response.read()
            return response

        def lose(send: Callable[[], Any], fault: dict[str, Any]) -> NoReturn:
            send()
            raise httpx.ReadError("the answer was lost, as planned")

        def refuse(send: Callable[[], Any], fault: dict[str, Any]) -> Any:
            headers = {k: str(v) for k, v in fault.get("headers", {}).items()}
            return httpx.Response(fault["status"], headers=headers, json={})

        def refuse_after(send: Callable[[], Any], fault: dict[str, Any]) -> Any:
            send()
            return httpx.Response(fault["status"], json={})

        faults = {"lose": lose, "refuse": refuse, "refuse_after": refuse_after}

        def handle_request(transport: Any, request: Any) -> Any:
            call = f"{request.method} {self._peer(request.url)} {_path(request.url.path)}"
            return self.cross(call, lambda: read(transport, request), faults)

        httpx.HTTPTransport.handle_request = handle_request

    def _peer(self, url: Any) -> str:
        return self._peers.get(str(url.port), url.host)

    # -- AWS

    def watch_aws(self) -> None:
        """Every request that botocore sends."""
        from botocore.exceptions import ReadTimeoutError
        from botocore.httpsession import URLLib3Session

        sent = URLLib3Session.send

        def send(session: Any, request: Any) -> Any:
            def lose(send: Callable[[], Any], fault: dict[str, Any]) -> NoReturn:
                send()
                raise ReadTimeoutError(endpoint_url=request.url)

            return self.cross(_aws_call(request), lambda: sent(session, request), {"lose": lose})

        URLLib3Session.send = send

    # -- the Lambda runtime

    def watch_invocations(self) -> None:
        """Every event that the runtime client receives."""
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

        wait = LambdaRuntimeClient.wait_next_invocation

        def wait_next_invocation(client: Any) -> Any:
            request = wait(client)
            body = request.event_body
            text = body.decode() if isinstance(body, bytes) else body
            self.begin(request.invoke_id, text)
            return request

        LambdaRuntimeClient.wait_next_invocation = wait_next_invocation


def the_mark_in(text: str, directory: Path) -> str | None:
    """The transaction that a text is about; a batch of several belongs to none, and has no plan."""
    marks = [file.stem for file in (directory / "plans").glob("*.json") if file.stem in text]
    return marks[0] if len(marks) == 1 else None


class Invocation:
    """One invocation of a function for one transaction."""

    def __init__(self, directory: Path, mark: str, function: str, request_id: str) -> None:
        self.request_id = request_id
        self._trace = directory / "traces" / f"{mark}.jsonl"
        self._plan = json.loads((directory / "plans" / f"{mark}.json").read_text())
        self._mark = mark
        self._calls: Counter[str] = Counter()
        with self._locked() as file:
            earlier = [json.loads(line) for line in file]
            number = sum(line.get("invoked") == function for line in earlier) + 1
            self._name = f"{function} {number}"
            self._write(file, {"invoked": function})

    def fault_of(self, call: str) -> dict[str, Any] | None:
        """What shall happen to this call; None to let it be. Written to the trace either way."""
        self._calls[call] += 1
        label = f"{self._name} | {call} | {self._calls[call]}"
        with self._locked() as file:
            fault = self._denied(call) or self._planned(label) or self._drawn(label, file)
            self._write(file, {"call": label} | ({"fault": fault} if fault else {}))
        return fault

    def _denied(self, call: str) -> dict[str, Any] | None:
        """A function whose every call to a vendor is refused for good."""
        denied = self._name.split()[0] == self._plan.get("deny") and not call.startswith("AWS")
        return {"kind": "refuse", "status": 400} if denied else None

    def _planned(self, label: str) -> dict[str, Any] | None:
        return self._plan.get("faults", {}).get(label)

    def _drawn(self, label: str, file: Any) -> dict[str, Any] | None:
        """A fault at random, the same whenever the seed and the label are the same."""
        draw = self._plan.get("draw")
        if not draw:
            return None
        random_ = random.Random(f"{draw['seed']} {label}")
        if random_.random() >= draw["share"]:
            return None
        file.seek(0)
        if sum('"fault"' in line for line in file) >= draw["most"]:
            return None
        kinds = draw["aws"] if "AWS" in label else draw["vendor"]
        return random_.choice(kinds)

    @contextlib.contextmanager
    def _locked(self) -> Any:
        """The trace, for this process alone."""
        with self._trace.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file

    @staticmethod
    def _write(file: Any, line: dict[str, Any]) -> None:
        file.write(json.dumps(line) + "\n")
        file.flush()


def die() -> NoReturn:
    """End as a process does whose machine is gone."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # not reached


def time_out(request_id: str) -> NoReturn:
    """Tell the sandbox that this invocation's time is over, instead of letting it pass."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/timeout", body=b"{}")
    api.getresponse()
    while True:
        time.sleep(60)


def _path(path: str) -> str:
    """A path without the ids in it."""
    return "/".join("*" if AN_ID.fullmatch(part) else part for part in path.split("/"))


def _aws_call(request: Any) -> str:
    target = request.headers.get("X-Amz-Target", b"")
    name = target.decode() if isinstance(target, bytes) else target
    return f"AWS {name or request.method + ' ' + urlsplit(request.url).path}"


def install(directory: str) -> None:
    """Watch this process from now on."""
    injector = Injector(Path(directory))
    injector.watch_vendors()
    injector.watch_aws()
    injector.watch_invocations()
