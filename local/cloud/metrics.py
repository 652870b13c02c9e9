"""Log lines in the embedded metric format become CloudWatch metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterator
from typing import Any


def metrics_of(line: str) -> Iterator[dict[str, Any]]:
    """The arguments of PutMetricData for each metric directive of a log line."""
    if '"_aws"' not in line:
        return
    try:
        record = json.loads(line)
        directives = record["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return  # As in CloudWatch, a line that is no EMF record is only a log line.
    for directive in directives:
        yield {
            "Namespace": directive["Namespace"],
            "MetricData": [
                datum(record, metric, dimensions)
                for metric in directive["Metrics"]
                for dimensions in directive["Dimensions"] or [[]]
            ],
        }


def datum(record: dict[str, Any], metric: dict[str, Any], dimensions: list[str]) -> dict[str, Any]:
    """One metric in one set of dimensions."""
    value = record[metric["Name"]]
    return {
        "MetricName": metric["Name"],
        "Unit": metric.get("Unit", "None"),
        "Values": [float(each) for each in (value if isinstance(value, list) else [value])],
        "Dimensions": [{"Name": name, "Value": str(record[name])} for name in dimensions],
    }
