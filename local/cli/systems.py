"""The systems that a stack is connected to, through the same adapters as its functions use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from interlock.connections import Connection
from interlock.connectors.billing.port import BillingPort
from interlock.connectors.billing.stripe import Stripe
from interlock.connectors.crm.port import CrmPort
from interlock.connectors.crm.salesforce import Salesforce
from interlock.connectors.erp.port import ErpPort
from interlock.connectors.erp.tryton import Tryton
from interlock.connectors.support.port import SupportPort
from interlock.connectors.support.zendesk import Zendesk
from pydantic import PrivateAttr

from local.cli.target import Target


class StackConnection(Connection):
    """A connection whose secret is read with the caller's own rights, and without a budget."""

    _secrets: Any = PrivateAttr()

    @classmethod
    def of(cls, target: Target, logical_id: str) -> Self:
        """The connection that the stack's parameter holds."""
        parameter = target.client("ssm").get_parameter(Name=target.id(logical_id))
        stored = cls.model_validate_json(parameter["Parameter"]["Value"])
        connection = stored.model_copy(update={"budget": None})
        connection._secrets = target.client("secretsmanager")
        return connection

    def secret(self) -> dict[str, str]:
        """The connection's secret."""
        return json.loads(self._secrets.get_secret_value(SecretId=self.secret_id)["SecretString"])


@dataclass(frozen=True)
class Systems:
    """The CRM, the ERP, the billing and the support system of the local stack."""

    crm: CrmPort
    erp: ErpPort
    billing: BillingPort
    support: SupportPort

    @classmethod
    def of(cls, target: Target) -> Self:
        """Those that the stack's connections name."""
        return cls(
            crm=Salesforce(StackConnection.of(target, "CrmConnection")),
            erp=Tryton(StackConnection.of(target, "ErpConnection")),
            billing=Stripe(StackConnection.of(target, "BillingConnection")),
            support=Zendesk(StackConnection.of(target, "SupportConnection")),
        )
