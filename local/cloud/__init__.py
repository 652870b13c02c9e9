"""Runs the project's template on one machine: see `LocalCloud`."""

from local.cloud.cloud import LocalCloud

__all__ = ["LocalCloud"]
