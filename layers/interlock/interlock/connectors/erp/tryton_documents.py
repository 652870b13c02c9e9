"""Invoices and credit memos in Tryton.

| canonical | Tryton |
| --- | --- |
| invoice | account.invoice of type out |
| credit memo | the same with negative quantities, as Tryton's own credit notes |
| external id | the invoice's reference; read-only once Tryton has printed the invoice |
| customer's number, day of issue | the description, fixed once posted; Tryton numbers by itself |
| posting date | the accounting date |
| due date | the date of the payment terms, without terms |
| taxes as given | manual tax lines, with the one tax of that rate |
| service period | defer from, defer to |

**Day of the invoice.** Tryton numbers invoices in the order of their days: one may not be older
than any that its sequence has numbered. One that comes late gets the day of the latest instead;
its own day stays in the description, the accounting date and the due date are not touched.
Seen on a running 8.2. https://docs.tryton.org/latest/modules-account_invoice/

**Taxes and totals.** Tryton would compute taxes; a manual tax line stays as it is. What a document
has more than its lines is a line on the rounding account. The draft is compared with what the
billing system says before it is posted. Tryton's warnings (other taxes than a product's default, a
day in the future) ask a person, and are skipped.

**Deferred revenue** is Tryton's (module account_invoice_defer): posting puts a deferral beside each
line of a service with a service period of two days or more. Running it takes the amount off the
revenue on the posting date and recognises it by days, in a move on the first day of each period,
all at once for all periods that exist. Its last move is to take the rounding, and doubles it
instead where the amount is positive (seen on 8.2.0): what is left over then is recognised by a move
of ours, on the same day. What lies in a fiscal year that is not opened yet follows when Finance
opens it (wizard "Create Deferred Moves"); no period can be closed before it has its moves. The
period of the first day, and those after it, must be open.
https://docs.tryton.org/latest/modules-account_invoice_defer/

**Nothing twice.** A document is first made as a draft: see `tryton_drafts`. A credit memo is
applied to its invoice after it is posted; until then a line's note says so, `find_credit_memo` does
not find it, and the next attempt goes on with it. So it is with a reversal. It is applied by a move
that takes as much off both, so that each is paid by a line of its own.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from interlock.canonical.books import PostedDocument, Posting, ServiceSchedule
from interlock.connectors.erp import tryton_invoices as invoices
from interlock.connectors.erp.port import PeriodState
from interlock.connectors.erp.tryton_books import ROUNDING
from interlock.connectors.erp.tryton_drafts import keep_one, other_attempt
from interlock.connectors.erp.tryton_entries import TrytonEntries
from interlock.connectors.erp.tryton_facts import TrytonFacts
from interlock.connectors.erp.tryton_rest import VENDOR
from interlock.errors import (
    BusinessRuleViolation,
    RecordConflict,
    RecordNotFound,
    VendorRejected,
)

INVOICE = "account.invoice"
APPLIED = "/applied"
CREDIT = "/credit"


class TrytonDocuments(TrytonEntries):
    """The part of the port that enters invoices; to apply them to each other, it enters moves."""

    _facts: TrytonFacts

    def get_document(self, remote_id: str) -> PostedDocument:
        """An invoice in any state."""
        return invoices.document(self._invoice(remote_id), self._name)

    def find_invoice(self, invoice_id: str) -> PostedDocument | None:
        """The posted invoice with this reference that none undoes."""
        found = self._done(invoice_id)
        return invoices.document(found, self._name) if found else None

    def find_credit_memo(
        self, credit_note_id: str, *, unapplied: bool = False
    ) -> PostedDocument | None:
        """The posted credit memo with this reference, if it is applied to its invoice too."""
        if not unapplied:
            return self.find_invoice(credit_note_id)
        posted = self._documents(credit_note_id, invoices.POSTED)
        found = self._one_of(credit_note_id, posted)
        return invoices.document(found, self._name) if found else None

    def post_invoice(self, posting: Posting, *, customer_remote_id: str) -> PostedDocument:
        """Enter a draft, compare it, make sure that it is the only one, and post it.

        An invoice that is in the books already is left as it is.
        """
        if found := self.find_invoice(posting.id):
            return found
        return self._posted(self._post_document(posting, customer_remote_id))

    def post_credit_memo(
        self, posting: Posting, *, customer_remote_id: str, invoice_remote_id: str
    ) -> PostedDocument:
        """As `post_invoice`; then apply it, as far as the invoice is still to be paid."""
        if found := self.find_credit_memo(posting.id):
            return found
        unapplied = self._one_of(posting.id, self._documents(posting.id, invoices.POSTED))
        memo = unapplied or self._post_document(posting, customer_remote_id)
        day = max(posting.posting_date, memo["accounting_date"])
        self._apply(memo["id"], invoice_remote_id, key=f"{posting.id}{APPLIED}", day=day)
        self._mark_done(memo)
        return self._posted(memo)

    def schedule_service_periods(self, remote_id: str) -> ServiceSchedule:
        """Run the deferrals that are not run yet.

        Raises BusinessRuleViolation when one begins in a period that is not open.
        """
        invoice = self._invoice(remote_id)
        company, key = invoice["company"]["id"], invoice["reference"]
        for deferral in self._deferrals(remote_id):
            if deferral["state"] == "draft":
                self._books.open_period(company, deferral["start_date"], record=key)
                self._rest.press(
                    "account.invoice.deferred", deferral["id"], "run", ["id"], company=company
                )
        deferrals = self._deferrals(remote_id)
        for deferral in deferrals:
            self._recognise_left_over(deferral, company, key)
        return invoices.schedule(key, remote_id, deferrals, self._name)

    def reverse_document(self, remote_id: str, *, posting_date: date) -> PostedDocument:
        """Post the opposite of a document, which is the result, and apply the two to each other.

        The application of a credit memo to its invoice, and of the customer's credit to an invoice,
        is reversed with it. Revenue that is spread
        is taken back in the same months where the first day's period is open, else at once.
        """
        original = self._invoice(remote_id)
        key = invoices.reversal_of(original)
        reversal = self._one_of(key, self._referring([key], invoices.POSTED))
        if reversal is None:
            keys = [f"{original['reference']}{end}" for end in (APPLIED, CREDIT)]
            applications = [found for key in keys if (found := self._entered(key))]
            # Read again: looking for applications withdrew the drafts of crashed attempts at them.
            original = self._invoice(remote_id)
            self._check_unpaid(original, besides={int(each.remote_id) for each in applications})
            for application in applications:
                self.reverse_entry(application.remote_id, posting_date=posting_date)
            reversal = self._post_opposite(original, key, posting_date)
        if self._deferrals(str(reversal["id"])):
            self.schedule_service_periods(str(reversal["id"]))
        self._apply(reversal["id"], remote_id, key=f"{key}{APPLIED}", day=posting_date)
        self._mark_done(reversal)
        return self._posted(reversal)

    # -- one document ----------------------------------------------------------------------

    def _invoice(self, remote_id: str | int) -> dict[str, Any]:
        return self._rest.read(INVOICE, remote_id, invoices.INVOICE_FIELDS)

    def _posted(self, invoice: dict[str, Any]) -> PostedDocument:
        return self.get_document(str(invoice["id"]))

    def _documents(self, key: str, states: set[str]) -> list[dict[str, Any]]:
        """Those with this reference that none undoes, oldest first."""
        found = self._referring([key], states)
        reversals = [invoices.reversal_of(invoice) for invoice in found]
        posted = self._referring(reversals, invoices.POSTED) if reversals else []
        done = [reversal for reversal in posted if not invoices.undone_lines(reversal)]
        undone = {reversal["reference"] for reversal in done}
        return [invoice for invoice in found if invoices.reversal_of(invoice) not in undone]

    def _referring(self, keys: list[str], states: set[str]) -> list[dict[str, Any]]:
        domain = [["reference", "in", keys], ["type", "=", "out"], ["state", "in", sorted(states)]]
        return self._rest.search(INVOICE, domain, invoices.INVOICE_FIELDS)

    def _done(self, key: str) -> dict[str, Any] | None:
        posted = self._documents(key, invoices.POSTED)
        return self._one_of(
            key, [invoice for invoice in posted if not invoices.undone_lines(invoice)]
        )

    def _one_of(self, key: str, found: list[dict[str, Any]]) -> dict[str, Any] | None:
        if len(found) > 1:
            numbers = ", ".join(invoice["number"] for invoice in found)
            raise RecordConflict(
                f"has several invoices for one document: {numbers}; keep one and credit the others",
                vendor=VENDOR,
                record=key,
            )
        return found[0] if found else None

    def _mark_done(self, memo: dict[str, Any]) -> None:
        for line in invoices.undone_lines(memo):
            self._rest.write("account.invoice.line", line, {"note": None}, ["id"])

    # -- posting ---------------------------------------------------------------------------

    def _post_document(self, posting: Posting, customer_remote_id: str) -> dict[str, Any]:
        company = self._books.company(posting.subsidiary, record=posting.id)
        values = self._values(posting, company["id"], customer_remote_id)
        draft = self._draft(posting.id, values, posting.posting_date)
        if problem := invoices.difference(posting, draft):
            self._delete_draft(INVOICE, draft)
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=posting.id)
        return self._post_draft(posting.id, draft)

    def _values(self, posting: Posting, company: int, customer_remote_id: str) -> dict[str, Any]:
        skus = tuple(line.sku for line in posting.lines if line.sku)
        products = self._books.products(skus, company)
        if unknown := sorted({str(line.sku) for line in posting.lines} - set(products)):
            problem = (
                f"{posting.number}: the ERP has no product {', '.join(unknown)} with a revenue"
                " account: enter it there"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=posting.id)
        percents = {tax.percent for line in posting.lines for tax in line.taxes}
        taxes = {
            percent: self._books.tax(percent, company, posting.posting_date, record=posting.id)
            for percent in percents
        }
        rounding = self._books.account(ROUNDING, company)
        currency = self._books.currency(posting.currency)
        lines = list(
            invoices.line_values(
                posting,
                products=products,
                rounding_account=rounding,
                price_decimals=self._facts.price_decimals(),
            )
        )
        if posting.credits:
            lines[0]["note"] = f"{invoices.UNDONE}{posting.credits}"
        return {
            "company": company,
            "party": int(customer_remote_id),
            "invoice_address": self._address(customer_remote_id),
            "currency": currency,
            "account": self._books.receivable(customer_remote_id, company),
            "journal": self._books.journal("revenue"),
            "description": invoices.description(posting),
            "invoice_date": posting.issued_on,
            "payment_term_date": posting.due_on,
            "lines": [["create", _owned(lines, company, currency)]],
            "taxes": [
                ["create", [*invoices.tax_values(posting, taxes=taxes, rounding_account=rounding)]]
            ],
        }

    def _address(self, party: str) -> int:
        addresses = self._rest.read("party.party", party, ["addresses"])["addresses"]
        if not addresses:
            problem = "the customer has no address in the ERP: enter one"
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=party)
        return addresses[0]

    def _draft(self, key: str, values: dict[str, Any], day: date) -> dict[str, Any]:
        company = values["company"]
        self._books.open_period(company, day, record=key)
        values |= {"type": "out", "reference": key, "accounting_date": day}
        fields = invoices.INVOICE_FIELDS
        return self._rest.create(INVOICE, values, fields, record=key, company=company)

    def _post_draft(self, key: str, draft: dict[str, Any]) -> dict[str, Any]:
        rivals = self._documents(key, {"draft", "validated", *invoices.POSTED})
        keep_one(draft, rivals, partial(self._delete_draft, INVOICE), key=key)
        company = draft["company"]["id"]
        try:
            try:
                return self._press_post(draft)
            except VendorRejected:
                self._move_to_latest_day(draft)
                return self._press_post(draft)
        except RecordNotFound:
            raise other_attempt(key) from None
        except VendorRejected:
            self._delete_draft(INVOICE, draft)
            self._books.open_period(company, draft["accounting_date"], record=key)
            raise

    def _press_post(self, draft: dict[str, Any]) -> dict[str, Any]:
        company = draft["company"]["id"]
        fields = invoices.INVOICE_FIELDS
        return self._rest.press(
            INVOICE, draft["id"], "post", fields, company=company, skip_warnings=True
        )

    def _move_to_latest_day(self, draft: dict[str, Any]) -> None:
        """Let Tryton number a draft that is older than what it has numbered already."""
        company = draft["company"]["id"]
        key, day = draft["reference"], draft["accounting_date"]
        year = self._books.open_period(company, day, record=key)["fiscalyear"]
        numbered = [
            ["company", "=", company],
            ["type", "=", "out"],
            ["number", "!=", None],
            ["move.period.fiscalyear", "=", year],
            ["invoice_date", ">", draft["invoice_date"]],
        ]
        if latest := self._rest.newest(INVOICE, numbered, "invoice_date", company=company):
            self._rest.write(INVOICE, draft["id"], {"invoice_date": latest["invoice_date"]}, ["id"])

    # -- applying, reversing ---------------------------------------------------------------

    def _apply(self, memo_id: int, invoice_id: str | int, *, key: str, day: date) -> None:
        """Let two documents pay each other, as far as both are open; done before, it stays."""
        if self._entered(key):
            return
        memo, invoice = self._position(str(memo_id)), self._position(str(invoice_id))
        amount = invoice.taken(-memo.amount.amount)
        if not amount:
            return
        text = f"{memo.reference} applied to {invoice.reference}"
        lines = [invoice.paid(amount, text), memo.paid(-amount, text)]
        lines.extend(self._exchange(lines, invoice))
        self._post(key, lines, company=invoice.company, day=day)

    def _check_unpaid(self, invoice: dict[str, Any], *, besides: set[int]) -> None:
        moves = [line["move"] for line in invoice["payment_lines"]]
        if paid_by := sorted({str(move["number"]) for move in moves if move["id"] not in besides}):
            problem = (
                f"{invoice['description']} has payments in the ERP (moves {', '.join(paid_by)}):"
                " unapply them first"
            )
            raise BusinessRuleViolation([problem], vendor=VENDOR, record=invoice["reference"])

    def _post_opposite(self, original: dict[str, Any], key: str, day: date) -> dict[str, Any]:
        company = original["company"]["id"]
        copied = self._rest.read(INVOICE, original["id"], invoices.COPIED_FIELDS)
        deferred = all(
            deferral["state"] != "draft"
            and self._books.period_state(company, deferral["start_date"]) == PeriodState.OPEN
            for deferral in self._deferrals(str(original["id"]))
        )
        lines = [*invoices.opposite_lines(copied, deferred=deferred)]
        lines[0]["note"] = f"{invoices.UNDONE}{original['reference']}"
        same = ("party", "invoice_address", "currency", "account", "journal")
        values = {
            **{field: copied[field] for field in same},
            "company": company,
            "description": f"{invoices.REVERSAL}{original['description']}",
            "invoice_date": day,
            "payment_term_date": day,
            "lines": [["create", _owned(lines, company, copied["currency"])]],
            "taxes": [["create", [*invoices.opposite_taxes(copied)]]],
        }
        return self._post_draft(key, self._draft(key, values, day))

    def _recognise_left_over(self, deferral: dict[str, Any], company: int, key: str) -> None:
        own = f"{key}/deferral/{deferral['id']}"
        if invoices.left_over(deferral) and not self._entered(own):
            lines = invoices.left_over_lines(deferral, "Rounding of deferred revenue")
            self._post(own, lines, company=company, day=invoices.last_day(deferral))

    def _deferrals(self, remote_id: str) -> list[dict[str, Any]]:
        domain = [["invoice_line.invoice", "=", int(remote_id)]]
        return self._rest.search("account.invoice.deferred", domain, invoices.DEFERRED_FIELDS)


def _owned(lines: list[dict[str, Any]], company: int, currency: int) -> list[dict[str, Any]]:
    """Over REST nothing is filled in by itself."""
    return [{"type": "line", "company": company, "currency": currency, **line} for line in lines]
