"""Support: cases and implementation tasks."""
