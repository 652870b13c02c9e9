"""What every module logs, counts and traces with."""

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger(service="interlock")
metrics = Metrics(namespace="Interlock", service="interlock")
# Patching every library that is installed would double a cold start; what is patched is named.
tracer = Tracer(service="interlock", patch_modules=("botocore",))
