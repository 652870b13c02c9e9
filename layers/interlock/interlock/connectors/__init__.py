"""Adapters for the systems, each behind the port of its kind."""
