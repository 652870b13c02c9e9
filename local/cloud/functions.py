"""The functions of the stack: each runs in real processes, as many as are called at once."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from local.cloud.clock import ClockStopped, clock
from local.cloud.sandbox import Event, Outcome, Sandbox

DEFAULT_CONCURRENCY = 4
"""Processes of one function at most, unless it reserves another concurrency, or the cloud is told
another number."""

REMEMBERED_INVOCATIONS = 5000

LineHandler = Callable[[str, str, str], None]
"""Called with function name, request id (empty outside an invocation) and log line."""


@dataclass(frozen=True)
class Hook:
    """What a test puts into every function's process.

    `program` is a module's file, whose `install(argument)` runs before the function is imported;
    `cold_start` says whether an invocation (function's logical id, payload) needs a new process;
    `hold` is called with the payload when the program asks to be held, and waits on the clock.
    """

    program: Path
    argument: str
    cold_start: Callable[[str, bytes], bool]
    hold: Callable[[bytes], None]


@dataclass
class Invocation:
    """One call of a function, with what it logged."""

    function: str
    request_id: str
    payload: bytes
    lines: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    milliseconds: float = 0.0

    @property
    def failed(self) -> bool:
        return self.outcome is not None and self.outcome.failed


@dataclass(frozen=True)
class Process:
    """A process of a function (its logical id) that is there; `busy` while it handles an event."""

    id: int
    function: str
    busy: bool


@dataclass
class Function:
    """A function of the stack as it is deployed. Times are in seconds."""

    logical_id: str
    name: str
    arn: str
    handler: str
    role: str
    path: list[str]
    environment: dict[str, str]
    timeout: float
    memory: int
    concurrency: int = DEFAULT_CONCURRENCY
    dead_letter_queue: str | None = None
    idle: SimpleQueue["FunctionSandbox"] = field(default_factory=SimpleQueue, repr=False)

    def __post_init__(self) -> None:
        self.slots = threading.BoundedSemaphore(self.concurrency)


class FunctionHost:
    """Starts, calls and ends the processes of every function."""

    def __init__(
        self,
        environment_of: Callable[[Function], dict[str, str]],
        on_line: LineHandler,
        virtual_time: bool,
        hook: Hook | None = None,
    ) -> None:
        """`environment_of` gives a function's credentials, region and endpoint.

        `in_flight` counts the invocations that have begun and not ended, `held` those of them that
        the hook holds.
        """
        self.invocations: deque[Invocation] = deque(maxlen=REMEMBERED_INVOCATIONS)
        self.in_flight = 0
        self.begun = 0
        self.held = 0
        self._functions: dict[str, Function] = {}
        self._environment_of = environment_of
        self._on_line = on_line
        self._virtual_time = virtual_time
        self._hook = hook
        self._version = 1
        self._sandboxes: list[FunctionSandbox] = []
        self._lock = threading.Lock()
        self._closed = False
        self._zygote, self._zygote_process = start_zygote()

    def add(self, function: Function) -> None:
        self._functions[function.name] = function

    @property
    def functions(self) -> list[Function]:
        return list(self._functions.values())

    @property
    def processes(self) -> list[Process]:
        """Every process that is there now."""
        with self._lock:
            sandboxes = list(self._sandboxes)
        return [
            Process(sandbox.process_id, sandbox.function.logical_id, sandbox.invocation is not None)
            for sandbox in sandboxes
            if sandbox.alive
        ]

    def find(self, identifier: str) -> Function:
        """The function with this name, ARN or logical id; KeyError if there is none."""
        name = identifier.split(":function:")[-1].split(":")[0]
        if name in self._functions:
            return self._functions[name]
        for function in self._functions.values():
            if function.logical_id == identifier:
                return function
        raise KeyError(f"no function {identifier}")

    def invoke(self, identifier: str, payload: bytes) -> Invocation:
        """Call the function and wait for its outcome."""
        function = self.find(identifier)
        invocation = Invocation(function.name, str(uuid.uuid4()), payload or b"{}")
        with self._lock:
            self.in_flight += 1
            self.begun += 1
        try:
            with function.slots:
                self._run(function, invocation)
        finally:
            with self._lock:
                self.in_flight -= 1
        self.invocations.append(invocation)
        return invocation

    def _run(self, function: Function, invocation: Invocation) -> None:
        sandbox = None if self._starts_cold(invocation, function) else self._idle_sandbox(function)
        sandbox = sandbox or self._new_sandbox(function)
        sandbox.invocation = invocation
        event = Event(
            invocation.request_id,
            invocation.payload,
            clock.now() + function.timeout,
            function.arn,
        )
        start = time.monotonic()
        invocation.outcome = sandbox.invoke(event, function.timeout)
        invocation.milliseconds = (time.monotonic() - start) * 1000
        sandbox.invocation = None
        if sandbox.alive:
            function.idle.put(sandbox)
        else:
            self._forget(sandbox)

    def deploy(self, code: dict[str, list[str]]) -> None:
        """New code: logical id of each function to the folders that it is imported from.

        Invocations under way end on the code they began with, every later one gets the new code.
        https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        """
        with self._lock:
            self._version += 1
        for function in self.functions:
            function.path = code[function.logical_id]
            # All that is idle by now runs old code.
            self._idle_sandbox(function)

    def _starts_cold(self, invocation: Invocation, function: Function) -> bool:
        return bool(self._hook and self._hook.cold_start(function.logical_id, invocation.payload))

    def _idle_sandbox(self, function: Function) -> "FunctionSandbox | None":
        while True:
            try:
                sandbox = function.idle.get_nowait()
            except Empty:
                return None
            if sandbox.alive and sandbox.version == self._version:
                return sandbox
            self._forget(sandbox)

    def _forget(self, sandbox: "FunctionSandbox") -> None:
        """Let go of a sandbox whose process has ended."""
        sandbox.kill()
        with self._lock, contextlib.suppress(ValueError):
            self._sandboxes.remove(sandbox)

    def _new_sandbox(self, function: Function) -> "FunctionSandbox":
        def spawn(runtime_api: str, output: int) -> int:
            environment = {
                **runtime_environment(function, runtime_api),
                **self._environment_of(function),
                **function.environment,
            }
            return self._fork(function, environment, output)

        sandbox = FunctionSandbox(function, self._version, spawn, self._on_line, self._hold)
        with self._lock:
            self._sandboxes.append(sandbox)
        if self._closed:
            sandbox.kill()
        return sandbox

    def _hold(self, invocation: Invocation) -> None:
        slots = self.find(invocation.function).slots
        with self._lock:
            self.held += 1
        # As long as it waits it takes no other's place: those would seem to work for ever.
        slots.release()
        try:
            self._hook.hold(invocation.payload)
        finally:
            slots.acquire()
            with self._lock:
                self.held -= 1

    def _fork(self, function: Function, environment: dict[str, str], output: int) -> int:
        request = {
            "environment": environment,
            "path": function.path,
            "clock": clock.offset_file if self._virtual_time else None,
            "hook": [str(self._hook.program), self._hook.argument] if self._hook else None,
        }
        with self._lock:
            if self._closed:
                raise ClockStopped
            socket.send_fds(self._zygote, [json.dumps(request).encode()], [output])
            return int(self._zygote.recv(32))

    def end_idle(self, identifier: str) -> None:
        """End the function's idle processes, as Lambda does now and then: the next call starts
        anew."""
        function = self.find(identifier)
        while sandbox := self._idle_sandbox(function):
            self._forget(sandbox)

    def close(self) -> None:
        """End every process."""
        with self._lock:
            self._closed = True
            sandboxes = list(self._sandboxes)
        for sandbox in sandboxes:
            sandbox.kill()
        self._zygote.close()
        self._zygote_process.wait()


class FunctionSandbox(Sandbox):
    """A sandbox that files each log line under the invocation it belongs to.

    `version` is the deployment whose code it runs.
    """

    def __init__(
        self,
        function: Function,
        version: int,
        spawn: Callable[[str, int], int],
        on_line: LineHandler,
        on_hold: Callable[[Invocation], None],
    ) -> None:
        self.function = function
        self.invocation: Invocation | None = None
        self.version = version

        def file_line(line: str) -> None:
            invocation = self.invocation
            if invocation:
                invocation.lines.append(line)
            on_line(function.name, invocation.request_id if invocation else "", line)

        super().__init__(spawn, file_line, lambda: on_hold(self.invocation))


def start_zygote() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """The process that forks the functions' processes, and the socket to ask it."""
    ours, theirs = socket.socketpair()
    program = Path(__file__).with_name("zygote.py")
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(program), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours, process


def runtime_environment(function: Function, runtime_api: str) -> dict[str, Any]:
    """The variables Lambda defines, less those of the caller's role.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    inherited = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    return inherited | {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": function.path[0],
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
