"""Corrections of moto's SQS."""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import moto.sqs.models as models

from local.cloud.clock import clock
from local.cloud.corrections import Corrections

LONG_POLL_SECONDS = 0.05
"""How often a long poll looks again, since visibility timeouts end without notice."""

_lock = threading.RLock()


def follow_the_clock(corrections: Corrections) -> None:
    """Visibility timeouts, delays and time stamps run on moto's own time."""
    corrections.replace(models, "unix_time", lambda when=None: clock.now())
    corrections.replace(models, "unix_time_millis", lambda when=None: clock.now() * 1000)


def leave_polling_to_event_sources(corrections: Corrections) -> None:
    """moto invokes a mapped function inside SendMessage, with one message, ignores partial
    failures and never reaches the dead-letter queue: it must not know of the mappings."""
    no_mappings = property(lambda queue: {}, lambda queue, mappings: None)
    corrections.replace(models.Queue, "lambda_event_source_mappings", no_mappings)


def lock_messages(corrections: Corrections) -> None:
    """Sending, receiving and deleting race on one list: messages get lost or delivered twice."""

    def locked(owner: Any, name: str) -> None:
        unlocked = getattr(owner, name)

        @functools.wraps(unlocked)
        def call(*arguments: Any, **options: Any) -> Any:
            with _lock:
                return unlocked(*arguments, **options)

        corrections.replace(owner, name, call)

    locked(models.Queue, "add_message")
    locked(models.Queue, "delete_message")
    locked(models.SQSBackend, "change_message_visibility")
    receive_now = models.SQSBackend.receive_message

    def receive_message(
        backend: Any,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Any]:
        end = time.monotonic() + (wait_seconds_timeout or 0)
        added = backend.get_queue(queue_name)._messages_lock
        while True:
            with _lock:
                messages = receive_now(
                    backend, queue_name, count, 0, visibility_timeout, message_attribute_names
                )
            remaining = end - time.monotonic()
            if messages or remaining <= 0 or clock.stopped:
                return messages
            with added:
                added.wait(min(LONG_POLL_SECONDS, remaining))

    corrections.replace(models.SQSBackend, "receive_message", receive_message)


def tell_of_changes(corrections: Corrections, on_change: Callable[[str], None]) -> None:
    """moto wakes only its own long polls: `on_change` gets the ARN of a queue when a message is
    added to it or becomes visible earlier."""
    add_message = models.Queue.add_message
    change_visibility = models.SQSBackend.change_message_visibility

    def add(queue: Any, message: Any) -> None:
        add_message(queue, message)
        on_change(queue.queue_arn)

    def change(backend: Any, queue_name: str, *arguments: Any, **options: Any) -> None:
        change_visibility(backend, queue_name, *arguments, **options)
        on_change(backend.get_queue(queue_name).queue_arn)

    corrections.replace(models.Queue, "add_message", add)
    corrections.replace(models.SQSBackend, "change_message_visibility", change)


def correct(corrections: Corrections, on_change: Callable[[str], None]) -> None:
    follow_the_clock(corrections)
    leave_polling_to_event_sources(corrections)
    lock_messages(corrections)
    tell_of_changes(corrections, on_change)


def next_visible(queue: Any) -> float | None:
    """When the first message of a queue that is hidden now becomes visible, in epoch seconds."""
    now = clock.now()
    times = [
        max(message.visible_at, message.delayed_until) / 1000 for message in list(queue._messages)
    ]
    return min((at for at in times if at > now), default=None)
