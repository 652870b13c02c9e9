"""Makes calls of a function fail as planned, from within the function's own process.

Loaded into each process before its handler (see `local.cloud.zygote`); it needs nothing but the
standard library and `planned`, and patches httpx (every call to a vendor), botocore (every call to
AWS), the Lambda runtime's client and the clock.
"""

from __future__ import annotations

import datetime
import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

# Relative, since a function's process sees this folder alone and no package `local`.
from .planned import Fault, Invocation, Message, plan_of, the_mark_in

AN_ID = re.compile(r"\d+|(?![a-z]+\d(\.\d)?$)(?=.*\d).{6,}")
"""A part of a path that names one record: it has digits, and is no `v66.0` or `oauth2`."""

A_DIGEST = re.compile(r"[0-9a-f]{32,}")
"""Stands for a record in the name of a schedule."""

A_FURTHER_PAGE = re.compile(rb"(^|&)(starting_after|page)=")
"""How many pages a list has depends on what others wrote: they are one call with the first."""


class TokenExpired(Exception):
    """The vendor takes the token no longer: its client renews it and makes the call again."""

    def __init__(self, response: Any) -> None:
        super().__init__("401")
        self.response = response


class Injector:
    """The faults of this process. `directory` holds plans, traces and `world.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        world = json.loads((directory / "world.json").read_text())
        self._peers: dict[str, str] = world["peers"]
        self._function = self._peers.get(os.environ["AWS_LAMBDA_FUNCTION_NAME"], "?")
        self._takes_batches = self._function in world["fed_by_queues"]
        self._invocation: Invocation | None = None
        self._lock = threading.Lock()
        self.skew = 0.0

    def begin(self, request_id: str, body: str) -> None:
        """An event was handed to the function."""
        self._invocation = None
        mark = the_mark_in(body, self._directory)
        if mark is None:
            return
        if not (self._takes_batches and "draw" in plan_of(mark, self._directory)):
            self._invocation = Invocation(self._directory, mark, self._function, request_id)
            self.skew = self._invocation.skew

    def cross(
        self, call: str, send: Callable[[], Any], faults: dict[str, Callable], content: str = ""
    ) -> Any:
        """Let one call happen, or fail as planned. `content` is what is sent."""
        with self._lock:
            invocation = self._invocation or self._of_message(content)
            if invocation and invocation.is_held(call):
                ask_the_sandbox("hold", invocation.request_id)
            fault = invocation.fault_of(call) if invocation else None
        try:
            return _meet(fault, send, faults, invocation.request_id) if invocation else send()
        except TokenExpired as expired:
            if invocation:
                invocation.take_back(call)
            return expired.response

    def _of_message(self, content: str) -> Invocation | None:
        """A function that takes batches works on one message after the other: each call is about
        the message whose mark it sends."""
        mark = the_mark_in(content, self._directory) if self._takes_batches and content else None
        if mark is None or "draw" not in plan_of(mark, self._directory):
            return None
        return Message(self._directory, mark, self._function)

    # -- vendors

    def watch_vendors(self) -> None:
        """Every request that httpx sends."""
        import httpx

        sent = httpx.HTTPTransport.handle_request

        def read(transport: Any, request: Any) -> Any:
            response = sent(transport, request)
            response.read()
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise TokenExpired(response)
            return response

        def lose(send: Callable[[], Any], fault: Fault) -> NoReturn:
            send()
            raise httpx.ReadError("the answer was lost, as planned")

        def refuse(send: Callable[[], Any], fault: Fault) -> Any:
            headers = {k: str(v) for k, v in fault.get("headers", {}).items()}
            return httpx.Response(fault["status"], headers=headers, json=fault.get("json", {}))

        def refuse_after(send: Callable[[], Any], fault: Fault) -> Any:
            send()
            return httpx.Response(fault["status"], json={})

        def stale(send: Callable[[], Any], fault: Fault) -> Any:
            answer = send()
            return httpx.Response(answer.status_code, json=_as_it_was(answer.json(), fault["was"]))

        faults = {"lose": lose, "refuse": refuse, "refuse_after": refuse_after, "stale": stale}

        def handle_request(transport: Any, request: Any) -> Any:
            if A_FURTHER_PAGE.search(request.url.query):
                return sent(transport, request)
            call = f"{request.method} {self._peer(request.url)} {_path(request.url.path)}"
            return self.cross(call, lambda: read(transport, request), faults)

        httpx.HTTPTransport.handle_request = handle_request

    def _peer(self, url: Any) -> str:
        return self._peers.get(str(url.port), url.host)

    # -- AWS

    def watch_aws(self) -> None:
        """Every request that botocore sends."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import ReadTimeoutError
        from botocore.httpsession import URLLib3Session

        sent = URLLib3Session.send

        def send(session: Any, request: Any) -> Any:
            def lose(send: Callable[[], Any], fault: Fault) -> NoReturn:
                send()
                raise ReadTimeoutError(endpoint_url=request.url)

            def refuse(send: Callable[[], Any], fault: Fault) -> Any:
                answer = AWSResponse(request.url, fault["status"], {}, None)
                answer._content = json.dumps(fault["json"]).encode()
                return answer

            content = request.body or b""
            return self.cross(
                _aws_call(request),
                lambda: sent(session, request),
                {"lose": lose, "refuse": refuse},
                content.decode() if isinstance(content, bytes) else "",
            )

        URLLib3Session.send = send

    # -- the Lambda runtime

    def watch_invocations(self) -> None:
        """Every event that the runtime client receives."""
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

        wait = LambdaRuntimeClient.wait_next_invocation

        def wait_next_invocation(client: Any) -> Any:
            self.skew = 0.0
            request = wait(client)
            body = request.event_body
            text = body.decode() if isinstance(body, bytes) else body
            self.begin(request.invoke_id, text)
            return request

        LambdaRuntimeClient.wait_next_invocation = wait_next_invocation

    # -- the clock

    def watch_clock(self) -> None:
        """What `time.time` and `datetime.now` tell."""
        right_time = time.time
        right_datetime = datetime.datetime

        class SameAsDatetime(type(right_datetime)):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, right_datetime)

        class SkewedDatetime(right_datetime, metaclass=SameAsDatetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
                return right_datetime.now(tz) + datetime.timedelta(seconds=self.skew)

            @classmethod
            def utcnow(cls) -> datetime.datetime:
                return right_datetime.utcnow() + datetime.timedelta(seconds=self.skew)

        time.time = lambda: right_time() + self.skew
        time.time_ns = lambda: int(time.time() * 1_000_000_000)
        datetime.datetime = SkewedDatetime


def _meet(
    fault: Fault | None, send: Callable[[], Any], faults: dict[str, Callable], request_id: str
) -> Any:
    """What becomes of a call with this fault."""
    if fault is None:
        return send()
    kind = fault["kind"]
    if kind in ("crash_after", "timeout_after"):
        send()
    if kind in ("crash_before", "crash_after"):
        die()
    if kind in ("timeout", "timeout_after"):
        time_out(request_id)
    return faults[kind](send, fault)


def die() -> NoReturn:
    """End as a process does whose machine is gone."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # not reached


def time_out(request_id: str) -> NoReturn:
    """Tell the sandbox that this invocation's time is over, instead of letting it pass."""
    ask_the_sandbox("timeout", request_id)
    while True:
        time.sleep(60)


def ask_the_sandbox(what: str, request_id: str) -> None:
    """A request to the Runtime API that a real one does not know; see `local.cloud.sandbox`."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/{what}", body=b"{}")
    api.getresponse().read()
    api.close()


def _as_it_was(value: Any, was: dict[str, Any]) -> Any:
    """An answer in which these fields have other values."""
    if isinstance(value, list):
        return [_as_it_was(each, was) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: was.get(name, _as_it_was(each, was)) for name, each in value.items()}


def _path(path: str) -> str:
    """A path without the ids in it."""
    return "/".join("*" if AN_ID.fullmatch(part) else part for part in path.split("/"))


def _aws_call(request: Any) -> str:
    target = request.headers.get("X-Amz-Target", b"")
    name = target.decode() if isinstance(target, bytes) else target
    return f"AWS {name or request.method + ' ' + A_DIGEST.sub('…', urlsplit(request.url).path)}"


def install(directory: str) -> None:
    """Watch this process from now on."""
    injector = Injector(Path(directory))
    injector.watch_clock()
    injector.watch_vendors()
    injector.watch_aws()
    injector.watch_invocations()
