"""Faults on purpose, in one local environment: it is closed after the last test of this package."""
