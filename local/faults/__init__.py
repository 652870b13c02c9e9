"""Crashes and faults on purpose: how we know that nothing happens twice and nothing is lost.

A development tool, never shipped. `injector` runs in every function's process and makes the planned
call fail; `harness` runs transactions of a workflow side by side in a local environment; `census`
asks the systems what they hold; `invariants` judges.
"""
