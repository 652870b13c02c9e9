"""How a vendor counts: part of a connection's configuration.

    {"requests": 25, "seconds": 1}    so many requests in any such time
    {"concurrency": 8}                so many requests at once

What the vendors of this project document stands at the parameters of the template.
"""

from __future__ import annotations

from pydantic import Field

from interlock.canonical.base import Canonical

# The share of a vendor's rate that is left unused, so that requests which travel for different
# times do not arrive as one too many.
HEADROOM = 0.03
# How late a request may be sent: a process does not always wake when it asked for.
LATENESS_SECONDS = 0.05


class RateLimit(Canonical):
    """So many `requests` in any time of `seconds`."""

    requests: int = Field(gt=0)
    seconds: float = Field(gt=0)

    @property
    def interval(self) -> float:
        """Seconds from one request to the next."""
        return self.seconds / (self.requests * (1 - HEADROOM))

    @property
    def lateness(self) -> float:
        """Seconds that a request may be sent after its slot."""
        return min(self._slack, LATENESS_SECONDS)

    @property
    def burst(self) -> float:
        """Seconds that a request may be sent before its slot, when others left theirs unused."""
        return self._slack - self.lateness

    @property
    def _slack(self) -> float:
        """What the headroom allows: slots that lie within `seconds` and this are never more than
        `requests`, so requests may be sent that much off their slots."""
        return self.requests * self.interval - self.seconds


class ConcurrencyLimit(Canonical):
    """So many requests at once."""

    concurrency: int = Field(gt=0, le=100)


Limit = RateLimit | ConcurrencyLimit
