"""What every vendor sandbox shares: serving, a request log, and faults on demand.

The sandboxes are our own stand-ins for vendors that have no installable server. Each keeps state,
speaks its vendor's paths, status codes, error bodies and authentication, and is driven in the
contract tests by that vendor's official client. They are development tools, never shipped.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class FaultKind(StrEnum):
    """What can go wrong with one request."""

    LATENCY = "latency"  # applied at once, answered later
    THROTTLE = "throttle"  # the vendor's own answer for "too many requests"; nothing applied
    UNAVAILABLE = "unavailable"  # 5xx; nothing applied
    UNAVAILABLE_AFTER_WRITE = "unavailable_after_write"  # 5xx, although the write was applied
    LOST_ANSWER = "lost_answer"  # applied, then the connection drops without an answer
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - every access token given out so far expires


@dataclass
class Fault:
    """One rule: requests that match fail so, `times` times (None: until cleared).

    `seconds` is how long the answer is held back, of whatever kind it is.
    """

    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    times: int | None = 1
    seconds: float = 0.0
    retry_after: int | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule holds for this request."""
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it arrived; `body` is the raw text, `status` what was answered."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]
    status: int


@dataclass
class Sandbox:
    """A vendor's API on this machine.

    `app` is the vendor's behaviour; `throttled` and `unavailable` make the vendor's own error
    answers; `expire_tokens` forgets every access token given out.
    """

    name: str
    app: Flask
    throttled: Callable[[Fault], Response]
    unavailable: Callable[[Fault], Response]
    expire_tokens: Callable[[], None]
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=10_000))
    faults: list[Fault] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._in_flight = 0
        self._counting = threading.Lock()
        self._server: BaseWSGIServer | None = None
        self.app.add_url_rule("/_sandbox/faults", "sandbox_faults", self._faults, methods=["POST"])

    def fail(self, kind: FaultKind | str, **rule: Any) -> Fault:
        """Make matching requests fail from now on; see Fault for the rule."""
        fault = Fault(FaultKind(kind), **rule)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """Forget every fault."""
        self.faults.clear()

    def serve(self, port: int = 0) -> Sandbox:
        """Serve on the loopback interface, in threads of this process; sets `url`."""
        self._server = make_server(
            "127.0.0.1", port, self, threaded=True, request_handler=_QuietHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.01},  # how long `close` may take
            name=f"sandbox-{self.name}",
            daemon=True,
        ).start()
        return self

    @property
    def works(self) -> bool:
        """Whether a request is being answered, also one whose sender is gone."""
        return self._in_flight > 0

    def close(self) -> None:
        """Stop serving; state is kept, so that `serve` on the same port is a restart."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """WSGI entry: the faults, then the vendor's behaviour, one request at a time."""
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            return self.app(environ, start_response)
        self._count(1)
        try:
            return self._answer(environ)(environ, start_response)
        except ClientDisconnected as gone:  # killed while it sent its request: nothing is applied
            return gone(environ, start_response)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self._in_flight += change

    def _answer(self, environ: dict[str, Any]) -> Response:
        fault = self._take(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        kind = fault.kind if fault else None
        if fault and kind is FaultKind.EXPIRED_TOKEN:
            self.expire_tokens()
        if fault and kind is FaultKind.THROTTLE:
            answer = self.throttled(fault)
        elif fault and kind is FaultKind.UNAVAILABLE:
            answer = self.unavailable(fault)
        else:
            answer = self._apply(environ)
            if fault and kind is FaultKind.UNAVAILABLE_AFTER_WRITE:
                answer = self.unavailable(fault)
        if fault and fault.seconds:
            time.sleep(fault.seconds)
        if kind is FaultKind.LOST_ANSWER:
            _drop(environ)
        return answer

    def _take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            fault = next((f for f in self.faults if f.matches(method, path)), None)
            if fault and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault

    def _apply(self, environ: dict[str, Any]) -> Response:
        """Run the vendor's behaviour; state changes one request at a time."""
        with self._lock, self.app.request_context(environ):
            body = request.get_data(as_text=True)
            answer = self.app.full_dispatch_request()
            self.requests.append(
                RecordedRequest(
                    method=request.method,
                    path=request.path,
                    query=request.query_string.decode(),
                    body=body,
                    headers=dict(request.headers),
                    status=answer.status_code,
                )
            )
            return answer

    def _faults(self) -> Response:
        """`POST /_sandbox/faults` with a Fault's fields, or `{}` to heal: the same from outside."""
        rule = request.get_json(force=True)
        if rule:
            self.fail(**rule)
        else:
            self.heal()
        return jsonify([vars(fault) for fault in self.faults])


class _QuietHandler(WSGIRequestHandler):
    """Keeps connections open as the vendors do, and prints nothing."""

    protocol_version = "HTTP/1.1"
    # Without this, a kept-open connection waits for delayed acknowledgements: 40 ms a request.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: `Sandbox.requests` has it all."""


def _drop(environ: dict[str, Any]) -> NoReturn:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("the sandbox was told to lose this answer")
