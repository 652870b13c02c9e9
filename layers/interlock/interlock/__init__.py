"""What every Interlock function shares: canonical models, connectors, the effect ledger, rules."""
