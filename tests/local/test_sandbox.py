"""What every sandbox of a vendor shares, on a vendor that only repeats what it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from flask import Flask, Response, request

from local.sandboxes.sandbox import FaultKind, Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    app = Flask("echo")
    app.add_url_rule("/", "echo", lambda: request.get_data(as_text=True), methods=["POST"])
    sandbox = Sandbox(
        name="echo",
        app=app,
        throttled=lambda fault: Response(status=429),
        unavailable=lambda fault: Response(status=503),
        expire_tokens=lambda: None,
    ).serve()
    yield sandbox
    sandbox.close()


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_sender_killed_in_the_middle_of_a_request(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is applied, nothing is logged, and the next one is answered."""
    port = int(sandbox.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 10\r\n\r\n123")
        wait_until(lambda: sandbox.works)
    wait_until(lambda: not sandbox.works)
    assert list(sandbox.requests) == []
    assert httpx.post(sandbox.url, content="7").text == "7"
    assert [each.body for each in sandbox.requests] == ["7"]
    assert caplog.records == []


def test_works_until_the_answer_is_given(sandbox: Sandbox) -> None:
    sandbox.fail(FaultKind.LATENCY, seconds=0.2)
    sender = threading.Thread(target=httpx.post, args=(sandbox.url,))
    sender.start()
    wait_until(lambda: sandbox.works)
    assert sender.is_alive()
    sender.join()
    wait_until(lambda: not sandbox.works)
