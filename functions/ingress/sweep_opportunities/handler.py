"""Tell of won deals that no event told of: a sweep, on a schedule."""

from datetime import UTC, datetime

from interlock import connections, events
from interlock.canonical import Canonical, Timestamp
from interlock.executions import Executions
from interlock.handler import logger, metrics, operation
from interlock.rules import sweep
from interlock.settings import Settings
from interlock.timeline import Timeline


class SweepSettings(Settings):
    """Deals that were won before this are never swept."""

    sweep_won_after: Timestamp


class SweepOpportunities(Canonical):
    """A dry run finds the same, and publishes nothing."""

    dry_run: bool = False


@operation
def handler(command: SweepOpportunities) -> sweep.Report:
    """Publish for each deal that has to be told of what the ingress would have published."""
    timeline, executions = Timeline.load(), Executions.load()
    won = connections.crm().won_without_order(
        won_after=SweepSettings.load().sweep_won_after,
        won_before=datetime.now(UTC) - sweep.GRACE,
    )
    deals, left = sweep.batch(won)
    findings = []
    for deal in deals:
        finding = sweep.judge(deal, timeline.of_subject(deal.id), executions.of)
        logger.info("won without an order", extra=finding.model_dump(mode="json"))
        if finding.correlation_id and not command.dry_run:
            events.publish(events.found_won(deal, finding.correlation_id))
        findings.append(finding)
    report = sweep.Report(dry_run=command.dry_run, findings=tuple(findings), left=left)
    metrics.add_metric(name="DealsGivenUp", unit="Count", value=report.count(sweep.Verdict.GIVE_UP))
    logger.info("swept", extra={"looked_at": len(deals), "left": left})
    return report
