"""The virtual clock moves waits, not work."""

import threading
import time
from collections.abc import Iterator

import pytest

from local.cloud.clock import ClockStopped, VirtualEvent, WorkerThread, clock


@pytest.fixture(autouse=True)
def _running_clock() -> Iterator[None]:
    clock.start()
    yield
    clock.stop()
    WorkerThread.join_all(1)


def test_advance_wakes_a_wait():
    event = VirtualEvent()
    results = []
    worker = WorkerThread(target=lambda: results.append(event.wait(3600)))
    worker.start()
    while clock.next_deadline() is None:
        time.sleep(0.001)
    assert clock.is_quiet()
    assert 3590 < clock.next_deadline() - clock.now() <= 3600
    clock.advance(3601)
    worker.join(5)
    assert results == [False]


def test_set_and_clear_at_once_still_wakes():
    event = VirtualEvent()
    results = []
    worker = WorkerThread(target=lambda: results.append(event.wait(3600)))
    worker.start()
    while clock.next_deadline() is None:
        time.sleep(0.001)
    event.set()
    event.clear()
    worker.join(5)
    assert results == [True]


def test_working_thread_is_not_quiet_and_ends_with_join():
    go_on = threading.Event()
    worker = WorkerThread(target=go_on.wait)
    assert not worker.is_alive()
    worker.start()
    assert not clock.is_quiet()
    assert worker.is_alive()
    go_on.set()
    worker.join(5)
    assert not worker.is_alive()
    assert clock.is_quiet()


def test_joined_worker_is_never_alive():
    for _ in range(300):
        worker = WorkerThread(target=lambda: None)
        worker.start()
        worker.join(5)
        assert not worker.is_alive()


def test_stop_ends_every_wait():
    ends = []

    def wait() -> None:
        try:
            clock.sleep(3600)
        except ClockStopped:
            ends.append("stopped")
            raise

    worker = WorkerThread(target=wait)
    worker.start()
    clock.stop()
    threading.Thread.join(worker, 5)
    assert ends == ["stopped"]


def test_time_never_goes_back():
    before = clock.now()
    clock.advance(-100)
    assert clock.now() >= before
    assert clock.utc().tzinfo is not None
