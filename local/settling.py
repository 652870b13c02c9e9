"""Waiting in virtual time until a local cloud has nothing left to do but wait for a day to come."""

from __future__ import annotations

from local.cloud import LocalCloud

SECONDS = 300
MINUTES = 60.0
# What waits for longer waits for a day to come, and not for another record or a vendor.
SOON = 180 * MINUTES
QUEUES = ("SalesforceInbox", "StripeInbox", "StartQueue", "TimelineQueue", "WakeQueue")
VISIBLE, IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


def settle(cloud: LocalCloud) -> None:
    """Until every message is handled, and every run has ended or waits for a day to come.

    Raises TimeoutError where nothing ends.
    """

    def is_settled() -> bool:
        if not cloud.is_still or _messages(cloud, VISIBLE, IN_FLIGHT):
            return False
        deadline = cloud.clock.next_deadline()
        return deadline is None or deadline > cloud.clock.now() + SOON

    cloud.run_until(is_settled, SECONDS)


def come_to_rest(cloud: LocalCloud) -> None:
    """Until nothing is done without time going by. Raises TimeoutError."""
    cloud.run_until(lambda: cloud.is_still and not _messages(cloud, VISIBLE), SECONDS, jump=False)


def _messages(cloud: LocalCloud, *names: str) -> int:
    sqs = cloud.client("sqs")
    urls = [cloud.resources[queue] for queue in QUEUES]
    answers = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in urls]
    return sum(int(answer["Attributes"][name]) for answer in answers for name in names)
