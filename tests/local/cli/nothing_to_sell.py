"""The command line in a world where the billing system's catalogue is empty."""

from local.cli.main import interlock
from local.sandboxes import stripe

stripe.seed = lambda sandbox: None
interlock(prog_name="interlock")
