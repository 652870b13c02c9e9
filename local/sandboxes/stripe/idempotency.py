"""Idempotency keys: https://docs.stripe.com/api/idempotent_requests

The first answer to a key is kept for 24 hours and replayed, whatever it was, once its endpoint had
begun; a replay with other parameters and a use while the first is under way are refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.sandboxes.stripe.errors import ApiError, RefusedBeforeExecution

KEPT_FOR = timedelta(hours=24)
LONGEST_KEY = 255


@dataclass(frozen=True)
class KeptAnswer:
    """The first answer to a key; `request` is what it answered (method, path, parameters)."""

    request: tuple[str, str, str]
    status: int
    body: bytes
    request_id: str
    kept_until: datetime


class IdempotencyKeys:
    """The keys of one account; safe to use from several threads."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._answers: dict[str, KeptAnswer] = {}
        self._in_use: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def using(self, key: str | None) -> Iterator[bool]:
        """Hold a key for the time of a request; gives False when another request holds it."""
        with self._lock:
            free = key not in self._in_use
            if key and free:
                self._in_use.add(key)
        try:
            yield free
        finally:
            if key and free:
                with self._lock:
                    self._in_use.discard(key)

    def find(self, key: str, request: tuple[str, str, str]) -> KeptAnswer | None:
        """The kept answer. Raises ApiError when the key was first used for something else."""
        if len(key) > LONGEST_KEY:
            message = f"An idempotency key has at most {LONGEST_KEY} characters."
            raise RefusedBeforeExecution(400, message, type="idempotency_error")
        kept = self._answers.get(key)
        if kept is None or kept.kept_until <= self._clock():
            return None
        if kept.request != request:
            message = (
                "An idempotency key can only be used again with the same endpoint and parameters "
                "as the first time."
            )
            raise RefusedBeforeExecution(400, message, type="idempotency_error")
        return kept

    def keep(
        self, key: str, request: tuple[str, str, str], status: int, body: bytes, request_id: str
    ) -> None:
        """Keep the first answer to a key."""
        until = self._clock() + KEPT_FOR
        self._answers[key] = KeptAnswer(request, status, body, request_id, until)

    def keep_failure(
        self, key: str, request: tuple[str, str, str], status: int, body: bytes, request_id: str
    ) -> None:
        """The endpoint began and the client got a failure, applied or not: that is replayed."""
        kept = self._answers.get(key)
        if kept is None or kept.status != status:
            self.keep(key, request, status, body, request_id)


def in_use() -> ApiError:
    """409 for a key that another request is using at this moment."""
    message = "Another request with this idempotency key is still in progress."
    return RefusedBeforeExecution(
        409, message, type="idempotency_error", code="idempotency_key_in_use"
    )
