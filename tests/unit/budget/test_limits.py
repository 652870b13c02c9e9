"""What a connection's configuration may say, and what follows from it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.budget.limits import HEADROOM, ConcurrencyLimit, Limit, RateLimit
from pydantic import TypeAdapter, ValidationError

LIMITS = st.builds(
    RateLimit, requests=st.integers(1, 10_000), seconds=st.floats(0.1, 3600, allow_nan=False)
)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ('{"requests": 25, "seconds": 1}', RateLimit(requests=25, seconds=1)),
        ('{"requests": 200, "seconds": 60}', RateLimit(requests=200, seconds=60)),
        ('{"concurrency": 8}', ConcurrencyLimit(concurrency=8)),
        ("null", None),
    ],
)
def test_what_a_connection_may_say(text: str, limit: Limit | None) -> None:
    adapter = TypeAdapter(Limit | None)

    assert adapter.validate_json(text) == limit
    assert adapter.validate_json(adapter.dump_json(limit)) == limit


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"requests": 25}',
        '{"requests": 0, "seconds": 1}',
        '{"requests": 25, "seconds": 0}',
        '{"requests": 25, "seconds": 1, "concurrency": 8}',
        '{"concurrency": 0}',
        '{"concurrency": 101}',
        "25",
    ],
)
def test_what_it_may_not_say(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Limit).validate_json(text)


@given(LIMITS)
def test_nearly_the_whole_rate_is_used(limit: RateLimit) -> None:
    assert 1 / limit.interval == pytest.approx((1 - HEADROOM) * limit.requests / limit.seconds)
    assert HEADROOM <= 0.05


@given(LIMITS)
def test_off_their_slots_requests_stay_within_the_limit(limit: RateLimit) -> None:
    """A window holds requests of slots that lie within it, and before and after it."""
    assert limit.lateness >= 0
    assert limit.burst >= 0
    slots = (limit.seconds + limit.lateness + limit.burst) / limit.interval
    assert math.ceil(slots - 1e-6) <= limit.requests
