"""What our own tables and state machines say of transactions, and what the systems hold."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from interlock.audit import Chain, chain_of

from local.cloud import LocalCloud
from local.faults.census import Census
from local.faults.scenarios import Transaction

Row = dict[str, Any]


@dataclass
class Account:
    """What is known of one transaction.

    `runs` are its executions as Step Functions describes them, `waiting` its open exceptions,
    `asked` its approvals that nobody has decided; `effects`, `references` and `events` are its rows
    of the ledger, the cross-reference store and the timeline, `allowances` those of its customer,
    `audit` its chains; `contracts` says how its contracts stand; `remote` is what the systems hold
    under its records; `set_aside` says why each of its messages in a dead-letter queue is there.
    """

    transaction: Transaction
    runs: list[Row] = field(default_factory=list)
    waiting: list[Row] = field(default_factory=list)
    asked: list[Row] = field(default_factory=list)
    effects: list[Row] = field(default_factory=list)
    references: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    allowances: list[Row] = field(default_factory=list)
    audit: list[Chain] = field(default_factory=list)
    contracts: list[str] = field(default_factory=list)
    remote: Census = field(default_factory=dict)
    set_aside: list[str] = field(default_factory=list)

    @property
    def has_settled(self) -> bool:
        """Whether all that still runs waits for a person who will decide."""
        asked = self.asked if self.transaction.answer else []
        return len(self.running) <= len(self.waiting) + len(asked)

    @property
    def running(self) -> set[str]:
        """The names of the runs that have not ended."""
        return {run["name"] for run in self.runs if run["status"] == "RUNNING"}

    @property
    def endings(self) -> list[str]:
        """How each of its runs ended, in a word or two."""
        return sorted(_ending(run) for run in self.runs)

    @property
    def ending(self) -> str:
        """How it ended; several runs have several endings."""
        return ", ".join(self.endings) or "never began"


def _ending(run: Row) -> str:
    if run["status"] == "SUCCEEDED":
        return json.loads(run["output"]).get("status", "succeeded")
    return "waits for a team" if run["status"] == "RUNNING" else run["status"].lower()


def follow(cloud: LocalCloud, transactions: Iterable[Transaction]) -> list[Account]:
    """The transactions' runs, and who is to decide: enough to see whether they have settled."""
    accounts = [Account(transaction) for transaction in transactions]
    marks = [account.transaction.all_marks for account in accounts]

    def named(text: str) -> Iterator[Account]:
        return (
            account
            for account, own in zip(accounts, marks, strict=True)
            if any(mark in text for mark in own)
        )

    states = cloud.client("stepfunctions")
    for machine in states.list_state_machines()["stateMachines"]:
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=machine["stateMachineArn"]
        )
        for execution in (row for page in pages for row in page["executions"]):
            for account in named(execution["name"]):
                account.runs.append(
                    states.describe_execution(executionArn=execution["executionArn"])
                )
    for status in ("open", "resolving"):
        for row in _rows(cloud, "ExceptionsTable", "by_status", status=status):
            for account in named(row["correlation_id"]):
                account.waiting.append(row)
    for row in _rows(cloud, "ApprovalsTable", "by_status", status="pending"):
        approval = json.loads(row["content"])
        for account in named(approval["transaction"]):
            account.asked.append(approval)
    return accounts


def take(cloud: LocalCloud, transactions: Iterable[Transaction], census: Census) -> list[Account]:
    """All that is known of the transactions."""
    accounts = follow(cloud, transactions)
    owner: dict[str, list[Account]] = defaultdict(list)
    for account in accounts:
        for record in account.transaction.all_records:
            owner[record].append(account)

    def owners(record: str) -> list[Account]:
        return owner.get(record.split("/")[0], [])

    for row in _rows(cloud, "EffectsTable"):
        for account in owners(row["record"]):
            account.effects.append(row)
    for row in _rows(cloud, "CrossReferencesTable"):
        for account in owners(row["canonical_id"].split("#", 1)[1]):
            account.references.append(row)
    for key, remotes in census.items():
        for account in owners(key[2]):
            account.remote[key] = remotes
    for row in _rows(cloud, "AllowancesTable"):
        for account in owners(row["allowance"].split("#")[0]):
            account.allowances.append(row | {"content": json.loads(row["content"])})
    for row in _rows(cloud, "ContractsTable"):
        for account in owners(row["id"]):
            account.contracts.append(f"{row['status']} at revision {row['revision']}")
    for row in _rows(cloud, "TimelineTable"):
        for account in accounts:
            if account.transaction.mark in row["correlation_id"]:
                account.events.append(json.loads(row["event"]))
    for chain in _chains(cloud):
        for account in accounts:
            if account.transaction.mark in chain.transaction:
                account.audit.append(chain)
    for message in _dead_letters(cloud):
        for account in accounts:
            if account.transaction.mark in message["Body"]:
                account.set_aside.append(_reason(message))
    return accounts


def _chains(cloud: LocalCloud) -> Iterator[Chain]:
    """The audit of every transaction."""
    items: dict[str, list[Row]] = defaultdict(list)
    for item in _rows(cloud, "AuditTable"):
        items[item["transaction"]].append(item)
    return (chain_of(transaction, found) for transaction, found in items.items())


def _dead_letters(cloud: LocalCloud) -> Iterator[Row]:
    """The messages of every dead-letter queue; they are taken out of it."""
    sqs = cloud.client("sqs")
    urls = sqs.list_queues()["QueueUrls"]
    told = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]) for url in urls]
    policies = [json.loads(each["Attributes"].get("RedrivePolicy", "{}")) for each in told]
    names = {policy["deadLetterTargetArn"].split(":")[-1] for policy in policies if policy}
    for url in (url for url in urls if url.rsplit("/", 1)[1] in names):
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield from messages


def _reason(message: Row) -> str:
    attributes = message.get("MessageAttributes", {})
    return attributes.get("ERROR_MESSAGE", {}).get("StringValue", "received too often")


def _rows(cloud: LocalCloud, table: str, index: str = "", **equal: str) -> Iterable[Row]:
    """Every row of a table, or those of an index in which one attribute has a value."""
    client, read = cloud.client("dynamodb"), TypeDeserializer().deserialize
    if index:
        [(name, value)] = equal.items()
        pages = client.get_paginator("query").paginate(
            TableName=cloud.resources[table],
            IndexName=index,
            KeyConditionExpression="#name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": value}},
        )
    else:
        pages = client.get_paginator("scan").paginate(TableName=cloud.resources[table])
    for page in pages:
        for item in page["Items"]:
            yield {name: read(value) for name, value in item.items()}
