"""The pictures in the documents are those of the definitions as they are."""

from __future__ import annotations

from local.pictures import COMMAND, DOCUMENTS, page
from local.workflows import Workflow


def test_the_workflows_picture_is_current(workflow: Workflow) -> None:
    path = DOCUMENTS / f"{workflow.name}.md"

    assert path.exists(), f"docs/{path.name} is missing: run `{COMMAND}`"
    assert path.read_text() == page(workflow), f"docs/{path.name} is stale: run `{COMMAND}`"
