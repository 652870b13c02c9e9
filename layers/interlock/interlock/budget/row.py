"""The row that all processes share about one connection: numbers, changed conditionally.

One UpdateItem both decides and tells: it returns the row, changed or as it was when it refused.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from interlock import aws

# A row takes a thousand changes a second, and more only for a moment.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/troubleshooting-throttling.html
THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}


class RowBusy(Exception):
    """More processes want to change the row than DynamoDB lets: there is a crowd."""


class RowUnavailable(Exception):
    """DynamoDB refuses or does not answer."""


@dataclass(frozen=True)
class Change:
    """Whether a change was made, and the row after it, or as it was when it refused."""

    made: bool
    state: dict[str, float]


@dataclass(frozen=True)
class SharedRow:
    """One connection's row. `client` replaces DynamoDB's in tests."""

    table: str
    connection: str
    client: Any = None

    def change(self, update: str, *, only_if: str | None = None, **values: float) -> Change:
        """Change the row by an update expression, under a condition.

        A value `now` is `:now` in the expressions. Raises RowBusy and RowUnavailable.
        """
        request: dict[str, Any] = {
            "TableName": self.table,
            "Key": {"connection": {"S": self.connection}},
            "UpdateExpression": update,
            "ReturnValues": "ALL_NEW",
        }
        if values:
            numbers = {f":{name}": {"N": str(value)} for name, value in values.items()}
            request["ExpressionAttributeValues"] = numbers
        if only_if:
            request["ConditionExpression"] = only_if
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            client = self.client or aws.hasty_client("dynamodb")
            return Change(True, _numbers(client.update_item(**request)["Attributes"]))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                return Change(False, _numbers(error.response.get("Item", {})))
            raise (RowBusy if code in THROTTLED else RowUnavailable)(code) from None
        except BotoCoreError as error:
            raise RowUnavailable(type(error).__name__) from None


def _numbers(item: dict[str, dict[str, str]]) -> dict[str, float]:
    return {name: float(value["N"]) for name, value in item.items() if "N" in value}
