"""May a document of the billing system be posted, how, and on which day? The pure rules."""

from datetime import date
from pathlib import Path

from interlock.canonical import Command
from interlock.connectors.erp.port import PostingContext
from interlock.handler import operation
from interlock.rules.bookable import Bookable
from interlock.rules.payout import Matching
from interlock.rules.posting_date import PostingPolicy
from interlock.rules.preparation import Prepared, prepare

POLICY = PostingPolicy.load(Path(__file__).parent / "posting_policy.toml")


class PreparePosting(Command):
    """The document, the type of the event that told of it, and the ERP's facts.

    `posting_date` is the day that a team decided on, if it did; `matching` what the lines of a
    payout came to.
    """

    document: Bookable
    event_type: str
    context: PostingContext
    matching: Matching | None = None
    posting_date: date | None = None


@operation
def handler(command: PreparePosting) -> Prepared:
    """What the ERP is to enter, or every problem that someone has to fix."""
    return prepare(
        command.document,
        command.event_type,
        command.context,
        policy=POLICY,
        decided=command.posting_date,
        matching=command.matching,
    )
