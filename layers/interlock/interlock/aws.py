"""AWS clients: made at first use, once per process."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def client(service: str) -> Any:
    """A boto3 client; a function that needs none does not pay for importing boto3.

    Connections and reads time out well before the function does, and boto3 retries what AWS says
    may be retried: https://docs.aws.amazon.com/boto3/latest/guide/retries.html
    """
    import boto3

    return boto3.client(service, config=_config())


@cache
def hasty_client(service: str) -> Any:
    """A boto3 client for what a caller can do without: it gives up after a few seconds."""
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=1, read_timeout=2, retries=retries)
    return boto3.client(service, config=config)


@cache
def dynamodb() -> Any:
    """A DynamoDB client that takes and gives Python values and `boto3` condition objects.

    https://docs.aws.amazon.com/boto3/latest/reference/customizations/dynamodb.html
    """
    import boto3

    return boto3.resource("dynamodb", config=_config()).meta.client


def transact(client: Any, *items: dict[str, Any]) -> bool:
    """Write all of these in one DynamoDB transaction; False, and none of them, when a condition
    does not hold or another transaction is at work on one of them.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    try:
        client.transact_write_items(TransactItems=list(items))
    except client.exceptions.TransactionCanceledException:
        return False
    return True


def _config() -> Any:
    from botocore.config import Config

    return Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard"})
