"""One execution environment of a function: its process, its Runtime API and its log.

AWS's own runtime client (awslambdaric) runs in the process and asks this Runtime API for events:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import contextlib
import json
import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any

MAXIMUM_RESPONSE_BYTES = 6_291_556
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

INITIALISATION_SECONDS = 10
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html"""


@dataclass(frozen=True)
class Event:
    """What the Runtime API hands out as the next invocation."""

    request_id: str
    payload: bytes
    deadline: float
    function_arn: str


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: the payload, and whether it describes an error."""

    payload: bytes
    failed: bool


def failure(error_type: str, message: str) -> Outcome:
    """The outcome of an invocation that the function itself did not answer."""
    payload = json.dumps({"errorType": error_type, "errorMessage": message})
    return Outcome(payload.encode(), failed=True)


class RuntimeApi(ThreadingHTTPServer):
    """The Lambda Runtime API of one sandbox, on a port of its own.

    `posted` receives (kind, body): kind is "response", "error", "init", and from what a test put
    into the process "timeout", which ends an invocation as its timeout would, without waiting for
    it, or "hold", which is answered once the invocation is to go on.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RuntimeApiHandler)
        self.asked = threading.Event()
        self.events: SimpleQueue[Event | None] = SimpleQueue()
        self.posted: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self.released = threading.Event()
        threading.Thread(target=self._accept, name="runtime-api", daemon=True).start()

    def _accept(self) -> None:
        # Not serve_forever: it polls, and there is one server per sandbox.
        while True:
            try:
                request, address = self.get_request()
            except OSError:
                return
            self.process_request(request, address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The process was killed in the middle of a request: nothing to say."""

    def hold(self) -> None:
        """Keep the invocation where it is until `released` is set."""
        self.released.clear()
        self.posted.put(("hold", b""))
        self.released.wait()

    def close(self) -> None:
        self.events.put(None)
        self.released.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()


class RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: RuntimeApi

    def log_message(self, format: str, *arguments: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Next invocation: wait for an event and hand it out."""
        self.server.asked.set()
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", event.request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(event.deadline * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", event.function_arn)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event.payload)))
        self.end_headers()
        self.wfile.write(event.payload)

    def do_POST(self) -> None:
        """Invocation response, invocation error, initialisation error, or a test's own request."""
        kind = "init" if "/init/" in self.path else self.path.rsplit("/", 1)[1]
        body = self._body()
        if kind == "hold":
            self.server.hold()
            self._accept()
            return
        # Answer first: the runtime then asks for the next event while the caller goes on.
        self._accept()
        self.server.posted.put((kind, body))

    def _accept(self) -> None:
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:
                raise ConnectionError("the process was killed while it answered")
            return body
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)


class LogPipe:
    """What a process writes, split into lines."""

    def __init__(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._on_line = on_line
        self._on_end = on_end
        self._rest = b""
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to read, once the process has its copy of the write end."""
        os.close(self.write_end)
        threading.Thread(target=self._read_all, name="function-log", daemon=True).start()

    def drain(self) -> None:
        """Take every line the process has written so far."""
        with self._lock:
            self._read()

    def _read_all(self) -> None:
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        ended = False
        while not ended:
            poll.poll()
            with self._lock:
                ended = self._read()
        with self._lock:
            os.close(self._read_end)
            self._read_end = -1
        self._on_end()

    def _read(self) -> bool:
        """Read what is there; True at the end of the output."""
        if self._read_end < 0:
            return True
        while True:
            try:
                data = os.read(self._read_end, 65536)
            except BlockingIOError:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            if not data and self._rest:
                lines, self._rest = [self._rest], b""
            for line in lines:
                self._on_line(line.decode(errors="replace").rstrip("\r"))
            if not data:
                return True


class Sandbox:
    """A process of one function, which handles one event at a time."""

    def __init__(
        self,
        spawn: Callable[[str, int], int],
        on_line: Callable[[str], None],
        on_hold: Callable[[], None],
    ) -> None:
        """`spawn` starts the process, given the Runtime API's address and the output's descriptor,
        and returns its process id; `on_line` gets each line of its log. `on_hold` is called when
        the invocation wants to be held, and returns when it is to go on."""
        self.alive = True
        self._on_hold = on_hold
        self._api = RuntimeApi()
        self._log = LogPipe(on_line, self._process_ended)
        try:
            self.process_id = spawn(f"127.0.0.1:{self._api.server_port}", self._log.write_end)
        except BaseException:
            self._api.close()
            raise
        finally:
            self._log.start()

    def invoke(self, event: Event, seconds: float) -> Outcome:
        """Hand the event to the function and wait up to `seconds` of real time for the outcome.

        The time in which the invocation is held does not count.
        """
        self._api.asked.wait(INITIALISATION_SECONDS)
        self._api.events.put(event)
        kind, body = self._posted(seconds)
        while kind == "hold":
            self._on_hold()
            self._api.released.set()
            kind, body = self._posted(seconds)
        if kind in ("response", "error"):
            self._log.drain()
        else:
            self.kill()
        prefix = f"RequestId: {event.request_id} Error:"
        if kind == "timeout":
            message = f"{prefix} Task timed out after {seconds:.2f} seconds"
            return failure("Sandbox.Timedout", message)
        if kind == "exit":
            message = f"{prefix} Runtime exited without providing a reason"
            return failure("Runtime.ExitError", message)
        if len(body) > MAXIMUM_RESPONSE_BYTES:
            message = (
                "Response payload size exceeded maximum allowed payload size "
                f"({MAXIMUM_RESPONSE_BYTES} bytes)."
            )
            return failure("Function.ResponseSizeTooLarge", message)
        return Outcome(body, failed=kind != "response")

    def _posted(self, seconds: float) -> tuple[str, bytes]:
        try:
            return self._api.posted.get(timeout=seconds)
        except Empty:
            return "timeout", b""

    def kill(self) -> None:
        """End the process and its Runtime API."""
        if self.alive:
            self.alive = False
            for end in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    end(self.process_id, signal.SIGKILL)
        self._api.close()

    def _process_ended(self) -> None:
        self.alive = False
        self._api.posted.put(("exit", b""))
        self._api.asked.set()
