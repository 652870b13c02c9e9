"""Virtual time: now is the real time plus an offset that a test moves forward.

Time is never scaled. Whatever waits in the local cloud waits on a `VirtualEvent`, which wakes as
soon as the clock reaches its deadline, and whatever works runs in a `WorkerThread`, so that the
clock jumps to the next deadline only when nothing is working.
"""

import datetime
import os
import struct
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any


class ClockStopped(BaseException):
    """The local cloud is closing: whoever waits gives up. No `except Exception` may keep it."""


FOREVER = 1e9
"""Seconds that stand for a wait without a deadline."""


class Clock:
    """The one clock of the local cloud. Its offset is shared with the functions in a file."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.stopped = False
        self._lock = threading.Lock()
        self._deadlines: dict[VirtualEvent, float] = {}
        self._working = 0
        self._changes = 0
        self._this_thread = threading.local()
        self._file: Any = None

    def start(self) -> None:
        """Begin at the real time."""
        self.stopped = False
        self._file = tempfile.NamedTemporaryFile(prefix="local-cloud-clock-")  # noqa: SIM115
        self._share_offset()

    def stop(self) -> None:
        """End every wait: the waiting threads exit. It is the real time again."""
        self.stopped = True
        self.offset = 0.0
        self._wake_all()
        if self._file:
            self._file.close()
            self._file = None

    @property
    def offset_file(self) -> str:
        """Path of the file that holds the offset in seconds, as a native double."""
        return self._file.name

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset

    def utc(self) -> datetime.datetime:
        """Now, as an aware UTC time."""
        return datetime.datetime.fromtimestamp(self.now(), datetime.UTC)

    def advance(self, seconds: float) -> None:
        """Move time forward. Seconds below zero are taken as zero."""
        self.offset += max(0.0, seconds)
        self._share_offset()
        self._wake_all()

    def sleep(self, seconds: float) -> None:
        """Wait until the clock is `seconds` later."""
        VirtualEvent().wait(seconds)

    def next_deadline(self) -> float | None:
        """When the first of the waits ends, or None if all wait without a deadline."""
        horizon = self.now() + FOREVER / 100
        with self._lock:
            return min((at for at in self._deadlines.values() if at < horizon), default=None)

    def is_quiet(self) -> bool:
        """Whether no thread works and no wait is over."""
        now = self.now()
        with self._lock:
            return self._working <= 0 and all(at > now for at in self._deadlines.values())

    @property
    def changes(self) -> int:
        """How often a thread has begun or ended work or a wait: equal means nothing happened."""
        return self._changes

    def begin_work(self) -> None:
        """Count one more piece of work, until `end_work`."""
        with self._lock:
            self._working += 1
            self._changes += 1

    def end_work(self) -> None:
        with self._lock:
            self._working -= 1
            self._changes += 1

    def _share_offset(self) -> None:
        os.pwrite(self._file.fileno(), struct.pack("d", self.offset), 0)

    def _wake_all(self) -> None:
        with self._lock:
            waiting = list(self._deadlines)
        for event in waiting:
            event.wake()

    def enter_work(self) -> None:
        """Say that the calling thread is a worker."""
        self._this_thread.works = True

    def _begin_wait(self, event: "VirtualEvent", deadline: float) -> None:
        with self._lock:
            self._deadlines[event] = deadline
            self._working -= self._weight()
            self._changes += 1

    def _end_wait(self, event: "VirtualEvent") -> None:
        with self._lock:
            self._deadlines.pop(event, None)
            self._working += self._weight()
            self._changes += 1

    def _weight(self) -> int:
        return 1 if getattr(self._this_thread, "works", False) else 0


clock = Clock()


class VirtualEvent(threading.Event):
    """An event whose timeout runs on the clock.

    As with `threading.Event`, a waiting thread wakes even if the event is cleared right after it
    was set. A wait raises ClockStopped once the clock is stopped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pulses = 0

    __hash__ = object.__hash__

    def set(self) -> None:
        self._pulses += 1
        super().set()

    def wake(self) -> None:
        """Let the waiting threads look at the clock."""
        with self._cond:
            self._cond.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set or `timeout` seconds have passed on the clock."""
        pulses = self._pulses
        deadline = clock.now() + (FOREVER if timeout is None else timeout)
        clock._begin_wait(self, deadline)
        try:
            with self._cond:
                while not self._flag and self._pulses == pulses:
                    if clock.stopped:
                        raise ClockStopped
                    remaining = deadline - clock.now()
                    if remaining <= 0:
                        return False
                    self._cond.wait(min(remaining, threading.TIMEOUT_MAX))
                return True
        finally:
            clock._end_wait(self)


class WorkerThread(threading.Thread):
    """A daemon thread that counts as working from its start to its end, except while it waits.

    It ends silently when the clock is stopped.
    """

    _all: "weakref.WeakSet[WorkerThread]" = weakref.WeakSet()

    def __init__(
        self,
        group: None = None,
        target: Callable[..., Any] | None = None,
        name: str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        daemon: bool | None = True,
    ) -> None:
        super().__init__(group, target, name, args, kwargs or {}, daemon=True)
        self._finished = VirtualEvent()

    def start(self) -> None:
        clock.begin_work()
        self._all.add(self)
        super().start()

    def run(self) -> None:
        clock.enter_work()
        try:
            super().run()
        except (ClockStopped, Exception):
            # What fails while the cloud closes fails because it closes.
            if not clock.stopped:
                raise
        finally:
            clock.end_work()
            self._finished.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait on the clock until the thread has ended."""
        self._finished.wait(timeout)

    def is_alive(self) -> bool:
        """Whether the work goes on. The thread itself lives a moment longer than `join` waits."""
        return self.ident is not None and not self._finished.is_set()

    @classmethod
    def join_all(cls, seconds: float) -> None:
        """Wait up to `seconds` of real time until every worker has ended."""
        end = time.monotonic() + seconds
        for worker in list(cls._all):
            threading.Thread.join(worker, max(0.0, end - time.monotonic()))


class VirtualDatetime(datetime.datetime):
    """A datetime whose now is the clock's."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "VirtualDatetime":
        if tz is None:
            return cls.fromtimestamp(clock.now(), datetime.UTC).replace(tzinfo=None)
        return cls.fromtimestamp(clock.now(), tz)
