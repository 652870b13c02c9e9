"""A new version is deployed while the old one is at work."""

import json
import shutil
import threading
from pathlib import Path

STACK = Path(__file__).parent / "stack"


def test_what_is_under_way_goes_on_as_it_began(stack, tmp_path):
    new = shutil.copytree(STACK, tmp_path / "new")
    definition = new / "statemachines" / "process.asl.yaml"
    definition.write_text(definition.read_text().replace("{done: true}", "{done: anew}"))
    code = new / "functions" / "work" / "handler.py"
    code.write_text(code.read_text().replace('["double"] * 2', '["double"] * 3'))
    assert stack.call("Work", {"double": 7}) == {"doubled": 14}
    before = stack.start("wait")
    stack.cloud.deploy(new)
    after = stack.start("wait")
    assert stack.call("Work", {"double": 7}) == {"doubled": 21}
    assert json.loads(stack.finish(before)["output"]) == {"done": True}
    assert json.loads(stack.finish(after)["output"]) == {"done": "anew"}
    # References of the definition are as in the first deployment.
    assert stack.output("happy", id="deployed", lines=[1])["total"] == 3


def test_invocation_under_way_ends_although_its_code_is_replaced(stack):
    answers = []
    event = {"do": "sleep", "seconds": 0.5}
    call = threading.Thread(target=lambda: answers.append(stack.response("Work", event)))
    call.start()
    stack.cloud.deploy(STACK)
    call.join()
    assert "FunctionError" not in answers[0], answers[0]["Payload"].read()
