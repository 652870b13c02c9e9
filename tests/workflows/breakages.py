"""How each step of the workflow fails for good, and how people repair it.

A breakage is a generator: it starts a run and yields it once the failure is in its way; what
follows the yield is the repair. `BREAKAGES` has one for each step, with what the team is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSResponse

from local.cloud import appconfig
from local.contract_terms import deploy
from local.environment import LocalEnvironment
from local.paths import CONTRACT_TERMS
from local.sandboxes.salesforce_seed import EUR_DEAL, DealSample
from local.sandboxes.sandbox import FaultKind
from tests.workflows.runs import Machine, Run, Workflow
from tests.workflows.systems import Systems

LONG = 900
"""Seconds that a vendor asks to wait: time for something to happen in the middle of a run."""


@dataclass
class Stage:
    """What a breakage acts on."""

    workflow: Workflow
    systems: Systems
    new_deal: Callable[..., str]
    sample: DealSample = EUR_DEAL

    @property
    def environment(self) -> LocalEnvironment:
        """The systems as they run."""
        return self.workflow.environment

    def paused_at(self, step: str, sandbox: Any, path: str) -> Run:
        """A run that a vendor has asked to wait before this step."""
        busy = {"method": "POST", "path": path, "times": None, "retry_after": LONG}
        sandbox.fail(FaultKind.THROTTLE, **busy)
        run = self.workflow.win(self.new_deal(self.sample))
        run.wait_for_back_off(step)
        sandbox.heal()
        return run


Breaking = Callable[[Stage], Iterator[Run]]


@dataclass(frozen=True)
class Breakage:
    """A failure of one step: what is raised, to whom, by when, and what its text says."""

    step: str
    breaking: Breaking
    error: str
    team: str
    due_hours: int
    says: str
    customers: int = 1
    """How many customers of the ERP are ours afterwards."""

    def __str__(self) -> str:
        return self.step


def start_date_missing(stage: Stage) -> Iterator[Run]:
    """The deal lacks a field."""
    deal = stage.new_deal(stage.sample)
    start = stage.systems.crm.opportunity(deal)["Contract_Start_Date__c"]
    stage.systems.crm.change(deal, Contract_Start_Date__c=None)
    yield stage.workflow.win(deal)
    stage.systems.crm.change(deal, Contract_Start_Date__c=start.isoformat())


def account_is_its_own_parent(stage: Stage) -> Iterator[Run]:
    """A cycle of one."""
    deal = stage.new_deal(stage.sample)
    account = stage.systems.crm.account(deal)
    stage.systems.crm.change_account(account, ParentId=account)
    yield stage.workflow.win(deal)
    stage.systems.crm.change_account(account, ParentId=None)


def erp_broken(stage: Stage) -> Iterator[Run]:
    """The ERP answers 5xx to everything, until its people repair it."""
    stage.environment.erp_proxy.fail(FaultKind.UNAVAILABLE, times=None)
    yield stage.workflow.win(stage.new_deal(stage.sample))
    stage.environment.erp_proxy.heal()


def billing_key_expired(path: str) -> Breaking:
    """Stripe's key expires when this path is asked for; the platform team renews it."""

    def breaking(stage: Stage) -> Iterator[Run]:
        stage.environment.stripe.fail(FaultKind.EXPIRED_TOKEN, path=path)
        yield stage.workflow.win(stage.new_deal(stage.sample))
        stage.environment.stripe.heal()

    return breaking


def unknown_payment_terms(stage: Stage) -> Iterator[Run]:
    """The deal has payment terms that the ERP does not know."""
    deal = stage.new_deal(stage.sample, Payment_Terms__c="NET75")
    yield stage.workflow.win(deal)
    stage.systems.crm.change(deal, Payment_Terms__c="NET45")


def ambiguous_customer(stage: Stage) -> Iterator[Run]:
    """Two customers of the ERP have the account's web site, neither has its name."""
    deal = stage.new_deal(stage.sample)
    account = stage.systems.crm.account(deal)
    website = stage.systems.crm.website(account)
    first = stage.systems.erp.enter_customer("Nordlicht Service", website=website)
    second = stage.systems.erp.enter_customer("Nordlicht Vertrieb", website=website)
    yield stage.workflow.win(deal)
    for customer in (first, second):
        stage.systems.erp.set_active(customer, False)


def tax_id_wrong(stage: Stage) -> Iterator[Run]:
    """The ERP refuses a tax id whose check digit is wrong; a seller corrects it."""
    deal = stage.new_deal(stage.sample)
    account = stage.systems.crm.account(deal)
    stage.systems.crm.change_account(account, Tax_Id__c="DE123456789")
    yield stage.workflow.win(deal)
    stage.systems.crm.change_account(account, Tax_Id__c=None)


def credit_limit_exceeded(stage: Stage) -> Iterator[Run]:
    """A customer that the ERP already has may not owe that much."""
    deal = stage.new_deal(stage.sample)
    account = stage.systems.crm.account(deal)
    customer = stage.systems.erp.enter_customer(
        stage.systems.crm.name(account), website=stage.systems.crm.website(account)
    )
    stage.systems.erp.set_credit_limit(customer, 100, stage.sample.subsidiary)
    yield stage.workflow.win(deal)
    stage.systems.erp.set_credit_limit(customer, None, stage.sample.subsidiary)


def project_made_by_hand(stage: Stage) -> Iterator[Run]:
    """Someone has already opened a project for the order."""
    deal = stage.new_deal(stage.sample)
    project = stage.systems.erp.open_project(deal, stage.sample.subsidiary)
    yield stage.workflow.win(deal)
    stage.systems.erp.rename_project(project, "Something else")


def product_withdrawn(stage: Stage) -> Iterator[Run]:
    """Billing stops selling a product after the order was validated."""
    run = stage.paused_at("UpsertBillingCustomer", stage.environment.stripe, "/v1/customers$")
    stage.systems.billing.set_active("SEAT-ANNUAL", False)
    try:
        yield run
    finally:
        stage.systems.billing.set_active("SEAT-ANNUAL", True)


def tickets_made_by_hand(stage: Stage) -> Iterator[Run]:
    """Agents have opened the kick-off's ticket twice while Zendesk was too busy for us."""
    run = stage.paused_at("CreateImplementationTasks", stage.environment.zendesk, "/tickets$")
    kickoff = f"salesforce:{run.deal}/kickoff"
    stage.systems.support.open_ticket(kickoff)
    second = stage.systems.support.open_ticket(kickoff)
    yield run
    stage.systems.support.solve(second)


def support_broken(stage: Stage) -> Iterator[Run]:
    """Zendesk takes no tickets, until its people repair it."""
    stage.environment.zendesk.fail(FaultKind.UNAVAILABLE, path="/tickets$", times=None)
    yield stage.workflow.win(stage.new_deal(stage.sample))
    stage.environment.zendesk.heal()


def order_number_taken(stage: Stage) -> Iterator[Run]:
    """Another deal carries the order's number, which is unique in the CRM."""
    run = stage.paused_at("CreateImplementationTasks", stage.environment.zendesk, "/tickets$")
    other = stage.new_deal(stage.sample)
    number = stage.systems.erp.order(run.deal).number
    stage.systems.crm.change(other, Interlock_Order_Number__c=number)
    yield run
    stage.systems.crm.change(other, Interlock_Order_Number__c=None)


def deal_amended(stage: Stage) -> Iterator[Run]:
    """A seller gives a discount while the order is made; the seller takes it back."""
    run = stage.paused_at("CreateImplementationTasks", stage.environment.zendesk, "/tickets$")
    stage.systems.crm.change_line(run.deal, 1, Discount=10)
    yield run
    stage.systems.crm.change_line(run.deal, 1, Discount=None)


def terms_missing(stage: Stage) -> Iterator[Run]:
    """No contract terms are in force; the platform's team deploys the signed ones."""
    cloud = stage.workflow.cloud
    appconfig.store.deployments.clear()
    cloud.end_idle_processes("RecordContractFunction")
    yield stage.workflow.win(stage.new_deal(stage.sample))
    resource = cloud.resources.__getitem__
    deploy(cloud.client("appconfig"), resource, CONTRACT_TERMS.read_bytes())


def schedules_gone(stage: Stage) -> Iterator[Run]:
    """The function names schedules that its role may not write, until it is deployed again."""
    with stage.workflow.without("PlanMilestonesFunction", "MILESTONE_SCHEDULES"):
        yield stage.workflow.win(stage.new_deal(stage.sample))


def event_refused(type: str) -> Breaking:
    """EventBridge does not take an event of this type, until it works again."""

    def breaking(stage: Stage) -> Iterator[Run]:
        with events_refused(stage.workflow, type):
            yield stage.workflow.win(stage.new_deal(stage.sample))

    return breaking


@contextmanager
def events_refused(workflow: Machine, type: str = "") -> Iterator[None]:
    """EventBridge does not take what the state machine publishes, of one type or of all.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
    """

    def refuse(**request: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        if type not in str(request["params"]["body"]):
            return None
        entry = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
        answer = {"FailedEntryCount": 1, "Entries": [entry], "ResponseMetadata": {}}
        return AWSResponse("https://events.amazonaws.com", 200, {}, None), answer

    emitter = workflow.cloud.client_of_role("events", workflow.machine["roleArn"]).meta.events
    emitter.register("before-call.eventbridge.PutEvents", refuse)
    try:
        yield
    finally:
        emitter.unregister("before-call.eventbridge.PutEvents", refuse)


BREAKAGES = [
    Breakage(
        "RefetchOpportunity",
        start_date_missing,
        error="ContractViolation",
        team="RevOps",
        due_hours=8,
        says="Contract_Start_Date__c is empty",
    ),
    Breakage(
        "ValidateAccountHierarchy",
        account_is_its_own_parent,
        error="BusinessRuleViolation",
        team="RevOps",
        due_hours=8,
        says="the account hierarchy has a cycle",
    ),
    Breakage(
        "ReadErpOrderContext",
        erp_broken,
        error="VendorUnavailable",
        team="Platform",
        due_hours=4,
        says="does not work now (status 503",
    ),
    Breakage(
        "ReadBillingCatalogue",
        billing_key_expired("/v1/products"),
        error="CredentialsRejected",
        team="Platform",
        due_hours=4,
        says="refused the connection's credentials",
    ),
    Breakage(
        "ValidateOrder",
        unknown_payment_terms,
        error="BusinessRuleViolation",
        team="RevOps",
        due_hours=8,
        says="the payment terms (NET75) are not in the ERP",
    ),
    Breakage(
        "MatchCustomer",
        ambiguous_customer,
        error="BusinessRuleViolation",
        team="RevOps",
        due_hours=8,
        says="may be one of these customers, by domain: Nordlicht Service",
    ),
    Breakage(
        "UpsertErpCustomer",
        tax_id_wrong,
        error="VendorRejected",
        team="RevOps",
        due_hours=8,
        says="check that its tax id is a valid one of its country",
    ),
    Breakage(
        "CreateErpOrder",
        credit_limit_exceeded,
        error="BusinessRuleViolation",
        team="RevOps",
        due_hours=8,
        says="is on credit hold",
        customers=0,
    ),
    Breakage(
        "CreateErpProject",
        project_made_by_hand,
        error="RecordConflict",
        team="RevOps",
        due_hours=8,
        says="has several projects for one deal",
    ),
    Breakage(
        "UpsertBillingCustomer",
        billing_key_expired("/v1/customers"),
        error="CredentialsRejected",
        team="Platform",
        due_hours=4,
        says="refused the connection's credentials",
    ),
    Breakage(
        "ProvisionSubscription",
        product_withdrawn,
        error="VendorRejected",
        team="RevOps",
        due_hours=8,
        says="refuses the request as it is (status 400",
    ),
    Breakage(
        "CreateImplementationTasks",
        tickets_made_by_hand,
        error="RecordConflict",
        team="Support",
        due_hours=24,
        says="several open tickets carry this external id, solve all but one",
    ),
    Breakage(
        "WriteBackToCrm",
        order_number_taken,
        error="RecordConflict",
        team="RevOps",
        due_hours=8,
        says="code DUPLICATE_VALUE",
    ),
    Breakage(
        "VerifyReadBack",
        deal_amended,
        error="RecordConflict",
        team="RevOps",
        due_hours=8,
        says="the deal was changed while its order was made",
    ),
    Breakage(
        "RecordContract",
        terms_missing,
        error="ContractViolation",
        team="Platform",
        due_hours=4,
        says="no contract terms",
    ),
    Breakage(
        "PlanMilestones",
        schedules_gone,
        error="CredentialsRejected",
        team="Platform",
        due_hours=4,
        says="let the function's role write the group's schedules",
    ),
    Breakage(
        "PublishContractSigned",
        event_refused("contract.signed"),
        error="EventBridge.FailedEntry",
        team="Platform",
        due_hours=4,
        says="InternalFailure",
    ),
    Breakage(
        "PublishOrderAccepted",
        event_refused("order.accepted"),
        error="EventBridge.FailedEntry",
        team="Platform",
        due_hours=4,
        says="InternalFailure",
    ),
]
