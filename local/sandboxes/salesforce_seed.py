"""The demo's deals in the Salesforce sandbox. Every company and person is invented.

Record ids are fixed, so that an event file can name them; `create_deal` with a suffix makes a
further deal with a company of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from local.sandboxes.salesforce_oauth import Authorization, ExternalClientApp
from local.sandboxes.salesforce_schema import WON_STAGE, full_id
from local.sandboxes.salesforce_store import Actor, Organization

OPEN_STAGE = "Negotiation/Review"

CONSUMER_KEY = "interlock-sandbox"
CONSUMER_SECRET = "interlock-sandbox-secret"  # noqa: S105 - of a sandbox on this machine only


@dataclass(frozen=True)
class AccountSample:
    """A company; `host` is its web site, `address` holds the Billing… fields."""

    record_id: str
    name: str
    host: str
    tax_id: str
    address: dict[str, str]


@dataclass(frozen=True)
class LineSample:
    """A line item: what is sold, how many, and the price of one."""

    product: str
    quantity: Decimal
    unit_price: Decimal


@dataclass(frozen=True)
class DealSample:
    """An opportunity with its account and that account's parents, nearest first."""

    record_id: str
    name: str
    currency: str
    subsidiary: str
    payment_terms: str
    accounts: tuple[AccountSample, ...]
    lines: tuple[LineSample, ...]
    splits: tuple[tuple[str, int], ...] = ()
    """Seller and percent of the revenue."""
    term_months: int = 12


PRODUCTS = {
    "PLATFORM-ANNUAL": ("Platform, annual subscription", "Subscriptions", "Recurring"),
    "SEAT-ANNUAL": ("Seat, annual subscription", "Subscriptions", "Recurring"),
    "PS-IMPLEMENT": ("Implementation services", "Professional services", "Service"),
}
SELLERS = {
    "mara.osei": (full_id("005Hs00000Sell1"), "Mara", "Osei"),
    "jonas.feld": (full_id("005Hs00000Sell2"), "Jonas", "Feld"),
}
INTEGRATION_USER = full_id("005Hs00000Integ")

USD_DEAL = DealSample(
    record_id=full_id("006Hs00000DealU"),
    name="Larkspur Robotics: platform and 25 seats",
    currency="USD",
    subsidiary="TESSALINE-US",
    payment_terms="NET30",
    accounts=(
        AccountSample(
            record_id=full_id("001Hs00000LarkR"),
            name="Larkspur Robotics Inc.",
            host="larkspur-robotics.example",
            tax_id="98-7654321",
            address={
                "BillingStreet": "400 Alder Street",
                "BillingCity": "Portland",
                "BillingState": "Oregon",
                "BillingStateCode": "OR",
                "BillingPostalCode": "97205",
                "BillingCountry": "United States",
                "BillingCountryCode": "US",
            },
        ),
        AccountSample(
            record_id=full_id("001Hs00000LarkH"),
            name="Larkspur Holdings LLC",
            host="larkspur-holdings.example",
            tax_id="98-0000017",
            address={
                "BillingStreet": "12 Harbor Plaza",
                "BillingCity": "Seattle",
                "BillingState": "Washington",
                "BillingStateCode": "WA",
                "BillingPostalCode": "98101",
                "BillingCountry": "United States",
                "BillingCountryCode": "US",
            },
        ),
    ),
    lines=(
        LineSample("PLATFORM-ANNUAL", Decimal(1), Decimal("24000.00")),
        LineSample("SEAT-ANNUAL", Decimal(25), Decimal("480.00")),
        LineSample("PS-IMPLEMENT", Decimal(10), Decimal("1600.00")),
    ),
)
EUR_DEAL = DealSample(
    record_id=full_id("006Hs00000DealE"),
    name="Nordlicht Messtechnik: platform and 60 seats",
    currency="EUR",
    subsidiary="TESSALINE-DE",
    payment_terms="NET45",
    accounts=(
        AccountSample(
            record_id=full_id("001Hs00000NordM"),
            name="Nordlicht Messtechnik GmbH",
            host="nordlicht-messtechnik.example",
            tax_id="DE999999903",
            address={
                "BillingStreet": "Speicherallee 7",
                "BillingCity": "Hamburg",
                "BillingState": "Hamburg",
                "BillingStateCode": "HH",
                "BillingPostalCode": "20457",
                "BillingCountry": "Germany",
                "BillingCountryCode": "DE",
            },
        ),
    ),
    lines=(
        LineSample("PLATFORM-ANNUAL", Decimal(1), Decimal("22000.00")),
        LineSample("SEAT-ANNUAL", Decimal(60), Decimal("440.00")),
        LineSample("PS-IMPLEMENT", Decimal(6), Decimal("1500.00")),
    ),
    splits=(("mara.osei", 60), ("jonas.feld", 40)),
)
JPY_DEAL = DealSample(
    record_id=full_id("006Hs00000DealJ"),
    name="Hoshimi Seiki: platform and 40 seats",
    currency="JPY",
    subsidiary="TESSALINE-JP",
    payment_terms="NET30",
    accounts=(
        AccountSample(
            record_id=full_id("001Hs00000Hoshi"),
            name="Hoshimi Seiki KK",
            host="hoshimi-seiki.example",
            tax_id="8999999990001",
            address={
                "BillingStreet": "2-4-8 Sakuragaoka",
                "BillingCity": "Yokohama",
                "BillingState": "Kanagawa",
                "BillingStateCode": "14",
                "BillingPostalCode": "231-0023",
                "BillingCountry": "Japan",
                "BillingCountryCode": "JP",
            },
        ),
    ),
    lines=(
        LineSample("PLATFORM-ANNUAL", Decimal(1), Decimal(3600000)),
        LineSample("SEAT-ANNUAL", Decimal(40), Decimal(72000)),
    ),
)
DEALS = (USD_DEAL, EUR_DEAL, JPY_DEAL)


def populate(organization: Organization, deals: tuple[DealSample, ...] = DEALS) -> None:
    """Enter the users, the products and the deals, none of them won yet."""
    integration = {"LastName": "Interlock", "Username": "interlock@tessaline.example"}
    organization.insert("User", integration | {"IsActive": True}, id=INTEGRATION_USER)
    for login, (user_id, first, last) in SELLERS.items():
        email = f"{login}@tessaline.example"
        names = {"FirstName": first, "LastName": last}
        fields = {**names, "Username": email, "Email": email, "IsActive": True}
        organization.insert("User", fields, id=user_id)
    for code, (name, family, charge_type) in PRODUCTS.items():
        fields = {"ProductCode": code, "Name": name, "Family": family, "IsActive": True}
        organization.insert("Product2", fields | {"Charge_Type__c": charge_type})
    for deal in deals:
        create_deal(organization, deal)


def register_interlock(authorization: Authorization) -> None:
    """Let the integration log in with client credentials, as its own user."""
    app = ExternalClientApp(CONSUMER_KEY, CONSUMER_SECRET, run_as=INTEGRATION_USER)
    authorization.register(app)


def create_deal(organization: Organization, deal: DealSample, *, suffix: str = "") -> str:
    """Enter a deal that is still open, with its accounts; the opportunity's id.

    With a suffix, names and web sites have it, ids are new, and there is no tax registration: a
    deal of its own that matches no other one's customer.
    """
    seller = Actor(SELLERS["mara.osei"][0])
    parent_id = None
    for account in reversed(deal.accounts):
        parent_id = _create_account(organization, account, parent_id, suffix, seller)
    closes_on = organization.clock().date()
    fields = {
        "Name": f"{deal.name} {suffix}".strip(),
        "StageName": OPEN_STAGE,
        "CloseDate": closes_on.isoformat(),
        "AccountId": parent_id,
        "Contract_Start_Date__c": _first_of_next_month(closes_on).isoformat(),
        "Contract_Term_Months__c": deal.term_months,
        "Selling_Entity__c": deal.subsidiary,
        "Payment_Terms__c": deal.payment_terms,
    }
    if organization.schema["Opportunity"].field("CurrencyIsoCode"):
        fields["CurrencyIsoCode"] = deal.currency
    record_id = None if suffix else deal.record_id
    opportunity_id = organization.insert("Opportunity", fields, seller, id=record_id)
    for line in deal.lines:
        [product] = organization.matching("Product2", "ProductCode", line.product)
        fields = {"OpportunityId": opportunity_id, "Product2Id": product["Id"]}
        prices = {"Quantity": line.quantity, "UnitPrice": line.unit_price}
        organization.insert("OpportunityLineItem", fields | prices, seller)
    for login, percent in deal.splits:
        fields = {"OpportunityId": opportunity_id, "SplitOwnerId": SELLERS[login][0]}
        organization.insert("OpportunitySplit", fields | {"SplitPercentage": percent}, seller)
    return opportunity_id


def close_won(organization: Organization, opportunity_id: str) -> None:
    """The seller closes the deal in the user interface."""
    seller = Actor(SELLERS["mara.osei"][0])
    organization.update("Opportunity", opportunity_id, {"StageName": WON_STAGE}, seller)


def _create_account(
    organization: Organization,
    account: AccountSample,
    parent_id: str | None,
    suffix: str,
    by: Actor,
) -> str:
    host = f"{suffix.lower()}.{account.host}" if suffix else account.host
    fields = {
        "Name": f"{account.name} {suffix}".strip(),
        "ParentId": parent_id,
        "Website": f"https://www.{host}",
        "Billing_Email__c": f"billing@{host}",
        "Tax_Id__c": None if suffix else account.tax_id,
        **account.address,
    }
    record_id = None if suffix else account.record_id
    return organization.insert("Account", fields, by, id=record_id)


def _first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
