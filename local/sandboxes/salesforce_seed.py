"""The demo's deals in the Salesforce sandbox. Every company and person is invented.

Record ids are fixed, so that an event file can name them; `create_deal` with a suffix makes a
further deal with a company of its own.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from local.sandboxes.salesforce_oauth import Authorization, ExternalClientApp
from local.sandboxes.salesforce_schema import LOST_STAGE, WON_STAGE, full_id
from local.sandboxes.salesforce_store import CURRENCIES, Actor, Organization
from local.sandboxes.salesforce_values import Fields

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
    """A line item: what is sold, how many, and the price of one.

    A ramp has a line item for each price or quantity, which counts `from_month` of the term.
    """

    product: str
    quantity: Decimal
    unit_price: Decimal
    from_month: int = 0


@dataclass(frozen=True)
class RenewalSample:
    """What a deal says of its renewal; numbers are percent, `index` names a published one."""

    auto_renews: bool
    notice_days: int
    months: int = 12
    uplift: Decimal | None = None
    index: str | None = None
    cap: Decimal | None = None


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
    starts_on: date | None = None
    """The first of the next month, unless told."""
    renewal: RenewalSample | None = None


PRODUCTS = {
    "PLATFORM-ANNUAL": ("Platform, annual subscription", "Subscriptions", "Recurring"),
    "SEAT-ANNUAL": ("Seat, annual subscription", "Subscriptions", "Recurring"),
    "PS-IMPLEMENT": ("Implementation services", "Professional services", "Service"),
}
SELLERS = {
    "mara.osei": (full_id("005Hs00000Sell1"), "Mara", "Osei"),
    "jonas.feld": (full_id("005Hs00000Sell2"), "Jonas", "Feld"),
}
SELLER = Actor(SELLERS["mara.osei"][0])
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
        product_id = organization.insert("Product2", fields | {"Charge_Type__c": charge_type})
        list_product(organization, product_id)
    for deal in deals:
        create_deal(organization, deal)


def register_interlock(authorization: Authorization) -> None:
    """Let the integration log in with client credentials, as its own user."""
    app = ExternalClientApp(CONSUMER_KEY, CONSUMER_SECRET, run_as=INTEGRATION_USER)
    authorization.register(app)


def list_product(organization: Organization, product_id: str) -> None:
    """Put a product into the standard price book, in every currency; each deal has its price."""
    entry = {"Pricebook2Id": organization.standard_price_book, "Product2Id": product_id}
    entry |= {"UnitPrice": 0, "IsActive": True}
    if organization.schema["PricebookEntry"].field("CurrencyIsoCode"):
        for currency in CURRENCIES:
            organization.insert("PricebookEntry", entry | {"CurrencyIsoCode": currency})
    else:
        organization.insert("PricebookEntry", entry)


def create_deal(organization: Organization, deal: DealSample, *, suffix: str = "") -> str:
    """Enter a deal that is still open, with its accounts; the opportunity's id.

    With a suffix, names and web sites have it, ids are new, and there is no tax registration: a
    deal of its own that matches no other one's customer.
    """
    parent_id = None
    for account in reversed(deal.accounts):
        parent_id = _create_account(organization, account, parent_id, suffix)
    starts_on = deal.starts_on or _first_of_next_month(organization.clock().date())
    fields = {
        "Name": f"{deal.name} {suffix}".strip(),
        "AccountId": parent_id,
        "Contract_Start_Date__c": starts_on.isoformat(),
        "Contract_Term_Months__c": deal.term_months,
        "Selling_Entity__c": deal.subsidiary,
        "Payment_Terms__c": deal.payment_terms,
        **_renewal_fields(deal.renewal),
    }
    if organization.schema["Opportunity"].field("CurrencyIsoCode"):
        fields["CurrencyIsoCode"] = deal.currency
    record_id = None if suffix else deal.record_id
    opportunity_id = _enter(organization, fields, deal.lines, record_id)
    for login, percent in deal.splits:
        fields = {"OpportunityId": opportunity_id, "SplitOwnerId": SELLERS[login][0]}
        organization.insert("OpportunitySplit", fields | {"SplitPercentage": percent}, SELLER)
    return opportunity_id


# What people do in the user interface


def create_renewal(
    organization: Organization,
    opportunity_id: str,
    lines: tuple[LineSample, ...] = (),
    *,
    starts_on: date | None = None,
    term_months: int = 12,
    consolidates_into: str | None = None,
) -> str:
    """The seller opens a renewal of the contract that a deal began; the new opportunity's id.

    It begins with the end of that deal's term, unless told. `consolidates_into` is the canonical
    id of another contract of the customer, which is to have the products instead.
    """
    deal = organization.get("Opportunity", opportunity_id)
    ends_on = _after(deal["Contract_Start_Date__c"], int(deal["Contract_Term_Months__c"]))
    fields = {"Consolidates_Into__c": consolidates_into}
    fields |= _changing(deal, "Renewal", starts_on or ends_on, term_months)
    return _enter(organization, fields, lines)


def create_amendment(
    organization: Organization,
    opportunity_id: str,
    lines: tuple[LineSample, ...],
    *,
    starts_on: date | None = None,
    term_months: int = 12,
) -> str:
    """The seller opens an upsell to the contract that a deal began; the new opportunity's id.

    It begins with the next month, unless told.
    """
    deal = organization.get("Opportunity", opportunity_id)
    day = starts_on or _first_of_next_month(organization.clock().date())
    return _enter(organization, _changing(deal, "Amendment", day, term_months), lines)


def close_won(organization: Organization, opportunity_id: str) -> None:
    """The seller closes the deal."""
    _move(organization, opportunity_id, WON_STAGE)


def close_lost(organization: Organization, opportunity_id: str) -> None:
    """The seller gives the deal up."""
    _move(organization, opportunity_id, LOST_STAGE)


def reopen(organization: Organization, opportunity_id: str) -> None:
    """The seller negotiates a deal again that was closed."""
    _move(organization, opportunity_id, OPEN_STAGE)


def ask_discount(organization: Organization, opportunity_id: str, percent: Decimal | None) -> None:
    """The seller asks for a discount on a renewal's price, in percent; None: for none any more."""
    organization.update("Opportunity", opportunity_id, {"Renewal_Discount__c": percent}, SELLER)


def set_lines(
    organization: Organization, opportunity_id: str, lines: tuple[LineSample, ...]
) -> None:
    """The seller enters other products, quantities or prices, in place of those of the deal."""
    with organization.transaction():
        for line in organization.matching("OpportunityLineItem", "OpportunityId", opportunity_id):
            organization.delete("OpportunityLineItem", line["Id"], SELLER)
        _enter_lines(organization, opportunity_id, lines)


def _move(organization: Organization, opportunity_id: str, stage: str) -> None:
    organization.update("Opportunity", opportunity_id, {"StageName": stage}, SELLER)


def _changing(deal: Fields, kind: str, starts_on: date, term_months: int) -> Fields:
    """A deal about the contract that another deal began; its id is that deal's canonical one."""
    same = ("AccountId", "CurrencyIsoCode", "Selling_Entity__c", "Payment_Terms__c")
    return {name: deal[name] for name in same if name in deal} | {
        "Name": f"{deal['Name']}: {kind.lower()}",
        "Contract_Start_Date__c": starts_on.isoformat(),
        "Contract_Term_Months__c": term_months,
        "Contract_Change__c": kind,
        "Interlock_Contract__c": f"salesforce:{deal['Id']}",
    }


def _renewal_fields(renewal: RenewalSample | None) -> Fields:
    if renewal is None:
        return {}
    return {
        "Auto_Renews__c": "Yes" if renewal.auto_renews else "No",
        "Notice_Days__c": renewal.notice_days,
        "Renewal_Months__c": renewal.months,
        "Uplift_Percent__c": renewal.uplift,
        "Uplift_Index__c": renewal.index,
        "Uplift_Cap__c": renewal.cap,
    }


def _enter(
    organization: Organization,
    fields: Fields,
    lines: tuple[LineSample, ...],
    record_id: str | None = None,
) -> str:
    """An open deal with its line items; its id."""
    stage = {"StageName": OPEN_STAGE, "CloseDate": organization.clock().date().isoformat()}
    opportunity_id = organization.insert("Opportunity", fields | stage, SELLER, id=record_id)
    _enter_lines(organization, opportunity_id, lines)
    return opportunity_id


def _enter_lines(
    organization: Organization, opportunity_id: str, lines: tuple[LineSample, ...]
) -> None:
    for line in lines:
        [product] = organization.matching("Product2", "ProductCode", line.product)
        fields = {
            "OpportunityId": opportunity_id,
            "Product2Id": product["Id"],
            "Quantity": line.quantity,
            "UnitPrice": line.unit_price,
            "Ramp_From_Month__c": line.from_month or None,
        }
        organization.insert("OpportunityLineItem", fields, SELLER)


def _create_account(
    organization: Organization,
    account: AccountSample,
    parent_id: str | None,
    suffix: str,
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
    return organization.insert("Account", fields, SELLER, id=record_id)


def _first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _after(day: date, months: int) -> date:
    """The same day so many months later, or the last of a month that is too short for it."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
