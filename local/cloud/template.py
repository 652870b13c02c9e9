"""Reads a SAM template: what CloudFormation gets, and where each function's code is."""

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from boto3.session import Session
from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.cloud.names import REGION

CODE_BUCKET = "local"
CODE_KEY = "code.zip"


@dataclass(frozen=True)
class Template:
    """A transformed template. `code` maps each function's logical id to the folders it imports
    from: its own code first, then its layers."""

    cloudformation: dict[str, Any]
    code: dict[str, list[str]]


def load(path: Path, parameters: dict[str, str]) -> Template:
    """Read and transform the SAM template at `path`.

    Local paths are resolved here, as `sam package` would do by uploading them. A layer's folder
    goes on its functions' path as it is; third-party packages that its build would install come
    from the current environment instead.
    """
    sam = yaml_parse(path.read_text())
    defaults = sam.get("Globals", {}).get("Function", {})
    layers: dict[str, str] = {}
    functions: dict[str, dict[str, Any]] = {}
    for logical_id, resource in sam["Resources"].items():
        properties = resource.setdefault("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                functions[logical_id] = {**defaults, **properties}
                functions[logical_id]["Layers"] = [
                    *defaults.get("Layers", []),
                    *properties.get("Layers", []),
                ]
                properties["CodeUri"] = f"s3://{CODE_BUCKET}/{CODE_KEY}"
            case "AWS::Serverless::LayerVersion":
                layers[logical_id] = str((path.parent / properties["ContentUri"]).resolve())
                properties["ContentUri"] = f"s3://{CODE_BUCKET}/{CODE_KEY}"
            case "AWS::Serverless::StateMachine" if "DefinitionUri" in properties:
                definition = path.parent / properties.pop("DefinitionUri")
                properties["Definition"] = yaml.safe_load(definition.read_text())
    code = {
        logical_id: [
            str((path.parent / function["CodeUri"]).resolve()),
            *(layers[layer["Ref"]] for layer in function["Layers"]),
        ]
        for logical_id, function in functions.items()
    }
    return Template(transform(sam, parameters), code)


def transform(sam: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """The CloudFormation template SAM makes of this one."""
    # SAM measures itself and asks for its own switches, and complains when it finds nobody.
    for name in ("samtranslator.metrics.metrics", "samtranslator.feature_toggle.feature_toggle"):
        logging.getLogger(name).setLevel(logging.ERROR)
    policies = get_bundled_managed_policy_map("aws") or {}
    translator = Translator(policies, Parser(), boto_session=Session(region_name=REGION))
    return translator.translate(copy.deepcopy(sam), parameters)
