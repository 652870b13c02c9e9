"""Everything on one machine: the local cloud from the real template, the real ERP, the sandboxes.

    with LocalEnvironment(progress=print) as environment:
        close_won(environment.organization, USD_DEAL.record_id)
        environment.cloud.run_until(...)

AWS is moto in this process; functions are processes of their own; Tryton is a process of its own.
Nothing outlives the environment but the cached database of the ERP.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from interlock.events import SOURCE, Event

from local.cloud import LocalCloud
from local.cloud.clock import clock
from local.cloud.functions import Hook, LineHandler
from local.contract_terms import deploy
from local.paths import CONTRACT_TERMS, ROOT, STATE
from local.sandboxes import stripe
from local.sandboxes.proxy import proxy
from local.sandboxes.salesforce import salesforce_sandbox
from local.sandboxes.salesforce_oauth import Authorization
from local.sandboxes.salesforce_seed import (
    CONSUMER_KEY,
    CONSUMER_SECRET,
    populate,
    register_interlock,
)
from local.sandboxes.salesforce_store import ORGANIZATION_ID, Organization
from local.sandboxes.stripe.events import DESTINATION, partner_event
from local.sandboxes.zendesk import zendesk_sandbox
from local.sandboxes.zendesk_desk import SupportDesk
from local.tryton.database import build_database
from local.tryton.server import TrytonServer

STACK = "interlock-local"

ZENDESK_CLIENT = {"client_id": "interlock", "client_secret": "sandbox"}

STRIPE_REQUESTS_PER_SECOND = 25
ZENDESK_REQUESTS_PER_MINUTE = 700
# The German company invoices its British customers in pounds.
ERP_OPTIONS = json.dumps({"currencies": json.dumps({"TESSALINE-DE": ["GBP"]})})
NO_BUDGETS = dict.fromkeys(("CrmBudget", "ErpBudget", "BillingBudget", "SupportBudget"), "null")

Progress = Callable[[str], None]


class LocalEnvironment:
    """The whole application with its systems, running.

    `cloud`, `tryton`, `organization` (the CRM's records), the sandboxes `salesforce`, `stripe` and
    `zendesk`, and `desk` (support's people) are its parts; the functions reach Tryton through
    `erp_proxy`, which can be told to fail as the sandboxes can. `progress` is told each step of
    starting. With `virtual_time` the cloud's clock jumps over waits, and the sandboxes' limits, and
    the budgets that keep within them, are out of the way of many tests. The sandboxes live on that
    clock too; Tryton, a process of its own, lives on the real time.
    `on_log` gets every line that a function logs, `hook` runs in every function's process.
    """

    def __init__(
        self,
        *,
        virtual_time: bool = False,
        progress: Progress = lambda step: None,
        port: int = 0,
        on_log: LineHandler | None = None,
        hook: Hook | None = None,
    ) -> None:
        self._stack = ExitStack()
        self._progress = progress
        try:
            self._start(virtual_time, port, on_log, hook)
        except BaseException:
            self._stack.close()
            raise

    def _start(
        self, virtual_time: bool, port: int, on_log: LineHandler | None, hook: Hook | None
    ) -> None:
        self._start_sandboxes(unlimited=virtual_time)
        self.tryton = self._start_tryton()
        self.erp_proxy = proxy("tryton", self.tryton.url).serve()
        self._stack.callback(self.erp_proxy.close)
        self._progress("the cloud, from template.yaml")
        self.cloud = LocalCloud(
            ROOT,
            parameters=self._parameters(virtual_time),
            port=port,
            stack_name=STACK,
            virtual_time=virtual_time,
            on_log=on_log,
            hook=hook,
            works=self._vendor_works,
        )
        self._stack.callback(self.cloud.close)
        self._set_secrets()
        deploy(
            self.cloud.client("appconfig"),
            self.cloud.resources.__getitem__,
            CONTRACT_TERMS.read_bytes(),
        )
        self.connect_webhook(f"{self.cloud.api_url}/webhooks/zendesk")
        self.organization.on_change = self.publish
        self.stripe.account.on_event = lambda event: self.publish(partner_event(event))
        self._progress("ready")

    def _start_sandboxes(self, *, unlimited: bool) -> None:
        self._progress("the sandboxes of Salesforce, Stripe and Zendesk")
        self.organization = Organization(clock=clock.utc)
        authorization = Authorization(self.organization)
        register_interlock(authorization)
        populate(self.organization)
        self.salesforce = salesforce_sandbox(self.organization, authorization)
        per_second = 100_000 if unlimited else STRIPE_REQUESTS_PER_SECOND
        self.stripe = stripe.create(clock=clock.utc, requests_per_second=per_second)
        stripe.seed(self.stripe)
        limits = {"requests_per_minute": ZENDESK_REQUESTS_PER_MINUTE}
        unlimits = {"requests_per_minute": 10**9, "ticket_updates_per_minute": 10**9}
        self.zendesk = zendesk_sandbox(
            **ZENDESK_CLIENT, clock=clock.utc, **(unlimits if unlimited else limits)
        )
        self.desk = SupportDesk(self.zendesk)
        for sandbox in (self.salesforce, self.stripe, self.zendesk):
            sandbox.serve()
            self._stack.callback(sandbox.close)

    def _start_tryton(self) -> TrytonServer:
        """A copy of the built database: what happened in an earlier environment is forgotten."""
        built = build_database(
            STATE / "tryton", lambda step: self._progress(f"Tryton, once: {step}")
        )
        self._progress("Tryton, the ERP")
        directory = Path(tempfile.mkdtemp(prefix="interlock-erp-"))
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        server = TrytonServer(built.copy_to(directory))
        server.start()
        self._stack.callback(server.stop)
        return server

    def _vendor_works(self) -> bool:
        """Whether a system has a request to answer: a killed function's may still be applied."""
        systems = (self.salesforce, self.stripe, self.zendesk, self.erp_proxy)
        return any(system.works for system in systems)

    def _parameters(self, virtual_time: bool) -> dict[str, str]:
        """In virtual time nothing is scheduled: 90 days may pass at once, with all their sweeps."""
        return (NO_BUDGETS if virtual_time else self._budgets()) | {
            "SalesforceOrganisation": ORGANIZATION_ID,
            "StripeDestination": DESTINATION,
            "SweepWonAfter": f"{self.organization.clock():%Y-%m-%dT%H:%M:%SZ}",
            "SweepSchedule": "DISABLED" if virtual_time else "ENABLED",
            "CrmBaseUrl": self.salesforce.url,
            "ErpOptions": ERP_OPTIONS,
            "ErpBaseUrl": f"{self.erp_proxy.url}/{self.tryton.database.name}",
            "BillingBaseUrl": self.stripe.url,
            # Where the ERP's companies collect taxes, the sandbox is registered for them too.
            "BillingOptions": json.dumps({"automatic_tax": "true"}),
            "SupportBaseUrl": self.zendesk.url,
            "SupportOptions": json.dumps({"case_fields": json.dumps(self.desk.fields)}),
        }

    @staticmethod
    def _budgets() -> dict[str, str]:
        """Where a sandbox has a limit; else the template's defaults."""
        return {
            "BillingBudget": json.dumps({"requests": STRIPE_REQUESTS_PER_SECOND, "seconds": 1}),
            "SupportBudget": json.dumps({"requests": ZENDESK_REQUESTS_PER_MINUTE, "seconds": 60}),
        }

    def _set_secrets(self) -> None:
        secrets = {
            "CrmSecret": {"client_id": CONSUMER_KEY, "client_secret": CONSUMER_SECRET},
            "ErpSecret": {"key": self.tryton.key()},
            "BillingSecret": {"api_key": stripe.API_KEY},
            "SupportSecret": ZENDESK_CLIENT,
        }
        for name, value in secrets.items():
            self._set_secret(name, value)

    def connect_webhook(self, endpoint: str) -> None:
        """Have Zendesk tell this address when a credit is asked for, signed with its secret."""
        secret = self.desk.register_webhook(endpoint)
        self._set_secret("SupportWebhookSecret", {"signing_secret": secret})

    def _set_secret(self, name: str, value: dict[str, str]) -> None:
        self.cloud.client("secretsmanager").put_secret_value(
            SecretId=self.cloud.resources[name], SecretString=json.dumps(value)
        )

    @property
    def addresses(self) -> dict[str, str]:
        """Where each part answers, for a person."""
        return {
            "AWS (AWS_ENDPOINT_URL)": self.cloud.url,
            "API": self.cloud.api_url,
            "Tryton": self.tryton.url,
            "Salesforce sandbox": self.salesforce.url,
            "Stripe sandbox": self.stripe.url,
            "Zendesk sandbox": self.zendesk.url,
        }

    def publish(self, event: dict[str, Any]) -> None:
        """Put a partner's event onto its bus, as the partner does."""
        bus = "StripeBus" if "/stripe.com/" in event["source"] else "SalesforceBus"
        self.cloud.client("events").put_events(
            Entries=[
                {
                    "EventBusName": self.cloud.resources[bus],
                    "Source": event["source"],
                    "DetailType": event["detail-type"],
                    "Detail": json.dumps(event["detail"]),
                }
            ]
        )

    def announce(self, event: Event) -> None:
        """Put an event of our own onto the integration bus, as functions and schedules do."""
        self.cloud.client("events").put_events(
            Entries=[
                {
                    "EventBusName": self.cloud.resources["IntegrationBus"],
                    "Source": SOURCE,
                    "DetailType": event.type,
                    "Detail": event.model_dump_json(),
                }
            ]
        )

    def close(self) -> None:
        """End every process, thread and server."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
