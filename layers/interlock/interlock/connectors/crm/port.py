"""What a CRM must be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from interlock.canonical import Opportunity, WonDeal, WriteBack
from interlock.canonical.contracts import Quoted, QuotedDeal, RenewalDeal
from interlock.canonical.credits import CreditNotice
from interlock.canonical.customer_view import Relationship
from interlock.canonical.dunning import DunningFlag
from interlock.canonical.services import Service


class CrmPort(Protocol):
    """A CRM behind one connection.

    Ids given and returned are canonical: `<connection name>:<the CRM's id>`. Every method may
    raise VendorUnavailable, VendorThrottled, CredentialsRejected, VendorRejected and
    ContractViolation (the CRM's answer lacks what a snapshot needs: says which field); a write may
    raise OutcomeUnknown.
    """

    def get_opportunity(self, opportunity_id: str, *, hierarchy_depth: int) -> Opportunity:
        """The deal as it is now, with lines and at most `hierarchy_depth` accounts upwards.

        A parent that was already listed is listed once more and ends the walk, so that the rule
        that validates hierarchies sees the cycle. Raises RecordNotFound.
        """

    def write_back(self, write_back: WriteBack) -> WriteBack:
        """Set the order's fields on the opportunity, marked as ours; returns what was written.

        Writing the same again is harmless. Raises RecordNotFound.
        """

    def read_write_back(self, opportunity_id: str) -> WriteBack:
        """The order's fields as the CRM holds them now. Raises RecordNotFound."""

    def won_without_order(self, *, won_after: datetime, won_before: datetime) -> Iterator[WonDeal]:
        """The deals that are won and carry no accepted order, those won last first.

        One whose order was cancelled is among them: it may have been won again since. Both ends of
        the time of winning are included. Each page is read when its first deal is asked for, and
        fails then.
        """

    def read_dunning(self, account_id: str) -> DunningFlag:
        """The flag on the account as the CRM holds it now. Raises RecordNotFound."""

    def write_dunning(self, flag: DunningFlag) -> DunningFlag:
        """Set or remove the flag on the account, marked as ours; the same again is harmless.

        Raises RecordNotFound.
        """

    def read_credit_notice(self, account_id: str) -> CreditNotice | None:
        """What the account says of its latest credit; None for nothing. Raises RecordNotFound."""

    def write_credit_notice(self, notice: CreditNotice) -> CreditNotice:
        """Set it on the account, marked as ours; the same again is harmless.

        Raises RecordNotFound.
        """

    def get_renewal(self, remote_id: str) -> RenewalDeal:
        """Raises RecordNotFound, and RecordConflict for a deal that renews no contract."""

    def find_renewal(self, renewal_id: str, *, contract_id: str) -> RenewalDeal | None:
        """The deal that carries the renewal's id, or else an open or won one that sales made.

        That is a renewal of the same contract which carries no other renewal's id: its `id` is the
        deal's own. One that is won goes before ours that is not, if both begin on the same day. A
        lost deal without our id counts as absent.
        """

    def open_renewal(self, renewal: RenewalDeal) -> RenewalDeal:
        """Open the deal, or put the renewal's id on the one that sales made, marked as ours.

        One that carries the id already is left as it is, unless sales have won another one: then
        that one gets the id, and ours is closed as lost, at once.
        """

    def close_renewal(self, remote_id: str) -> None:
        """Close an open deal as lost, marked as ours, and free the renewal's id.

        One that is closed keeps its stage: it is sales' own. Raises what `get_renewal` raises.
        """

    def read_quote(self, deal_id: str) -> Quoted:
        """Which offer we wrote to the deal last (`RenewalQuote.offer`). Raises RecordNotFound."""

    def quote_renewal(self, quoted: QuotedDeal) -> Quoted:
        """Replace the deal's lines, and tell the price and its working, marked as ours.

        Raises RecordNotFound, and BusinessRuleViolation for a deal that is closed and for a product
        that cannot be entered on it.
        """

    def get_relationship(self, account_id: str) -> Relationship:
        """What sales know about a customer. Raises RecordNotFound."""

    def read_service(self, account_id: str) -> Service | None:
        """What the account says of its entitlements; None for nothing. Raises RecordNotFound."""

    def write_service(self, service: Service) -> Service:
        """Set it on the account, marked as ours; the same again is harmless.

        Raises RecordNotFound.
        """
