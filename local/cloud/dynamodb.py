"""Corrections of moto's DynamoDB."""

import copy
import inspect
import threading
from typing import Any

import moto.dynamodb.models as models
import moto.dynamodb.responses as responses

from local.cloud.corrections import Corrections, module_with


def serialise_requests(corrections: Corrections) -> None:
    """moto has no lock: two conditional writes of one item can both succeed, counters lose
    updates, and transactions see each other half done."""
    lock = threading.RLock()
    call_action = responses.DynamoHandler.call_action

    def call_one_at_a_time(handler: Any) -> Any:
        with lock:
            return call_action(handler)

    corrections.replace(responses.DynamoHandler, "call_action", call_one_at_a_time)


def roll_back_touched_items(corrections: Corrections) -> None:
    """Every transaction copies its whole tables in case it fails, which takes longer and longer
    as they fill; only the items it touches need to be kept."""
    transact_write_items = models.DynamoDBBackend.transact_write_items

    def deepcopy(value: Any, memo: Any = None) -> Any:
        return value if isinstance(value, models.Table) else copy.deepcopy(value, memo)

    def touched_items(backend: Any, operations: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        touched = []
        for operation in operations:
            request = next(iter(operation.values()))
            table = backend.tables.get(request["TableName"].split("/")[-1])
            if table:
                key = request.get("Key") or {
                    name: request["Item"][name] for name in table.table_key_attrs
                }
                keys = backend.get_keys_value(table, key)
                touched.append((table, keys, copy.deepcopy(table.get_item(*keys))))
        return touched

    def transact(backend: Any, transact_items: list[dict[str, Any]]) -> Any:
        touched = touched_items(backend, transact_items)
        try:
            return transact_write_items(backend, transact_items)
        except Exception:
            for table, keys, item in touched:
                if item:
                    table.put_item(item.to_json()["Attributes"])
                else:
                    table.delete_item(*keys)
            raise

    corrections.replace(models, "copy", module_with(copy, deepcopy=deepcopy))
    corrections.replace(models.DynamoDBBackend, "transact_write_items", transact)


def look_into_one_partition(corrections: Corrections) -> None:
    """A query looks at every item of its table, and sorts them all, which takes longer and longer
    as it fills; only those with its partition key need to be looked at."""
    query = models.Table.query
    parameters = inspect.signature(query)

    def query_partition(table: Any, *arguments: Any, **options: Any) -> Any:
        given = parameters.bind(table, *arguments, **options).arguments
        if given.get("index_name") or not table.range_key_attr:
            return query(table, *arguments, **options)
        key = given["hash_key"]
        partition = copy.copy(table)
        partition.items = {key: table.items[key]} if key in table.items else {}
        return query(partition, *arguments, **options)

    corrections.replace(models.Table, "query", query_partition)


def correct(corrections: Corrections) -> None:
    serialise_requests(corrections)
    look_into_one_partition(corrections)
    roll_back_touched_items(corrections)
