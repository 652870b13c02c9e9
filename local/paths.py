"""Where things are in the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[1]

STATE = ROOT / ".interlock"
"""What is built or kept on this machine: never committed, safe to delete."""

CONTRACT_TERMS = ROOT / "functions/workflow/load_contract_terms/contract_terms.json"
"""The terms that a local environment begins with."""
