"""What a CRM must be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from interlock.canonical import Opportunity, WonDeal, WriteBack
from interlock.canonical.credits import CreditNotice
from interlock.canonical.dunning import DunningFlag


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
