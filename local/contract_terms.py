"""Putting contract terms into force with AppConfig, and asking what is in force.

https://docs.aws.amazon.com/appconfig/latest/userguide/deploying-feature-flags.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from interlock.contract_terms import read

PAUSE_SECONDS = 2.0
UNDER_WAY = {"BAKING", "VALIDATING", "DEPLOYING"}

IdOf = Callable[[str], str]
"""Gives the id of a resource of the stack by its logical id."""


class NotDeployed(Exception):
    """AppConfig gave up a deployment; the text says why."""


def deploy(appconfig: Any, id_of: IdOf, document: bytes) -> None:
    """Put a document into force, and wait until it is. Raises NotDeployed.

    `appconfig` is a boto3 client.
    """
    application = {"ApplicationId": id_of("TermsApplication")}
    environment = {"EnvironmentId": id_of("TermsEnvironment")}
    profile = {"ConfigurationProfileId": id_of("TermsProfile")}
    version = appconfig.create_hosted_configuration_version(
        **application, **profile, Content=document, ContentType="application/json"
    )["VersionNumber"]
    deployment = appconfig.start_deployment(
        **application,
        **environment,
        **profile,
        ConfigurationVersion=str(version),
        DeploymentStrategyId=id_of("TermsStrategy"),
    )
    while deployment["State"] in UNDER_WAY:
        time.sleep(PAUSE_SECONDS)
        deployment = appconfig.get_deployment(
            **application, **environment, DeploymentNumber=deployment["DeploymentNumber"]
        )
    if deployment["State"] != "COMPLETE":
        reasons = "; ".join(event["Description"] for event in deployment.get("EventLog", []))
        raise NotDeployed(f"{deployment['State'].lower().replace('_', ' ')}: {reasons}")


def deployed(appconfigdata: Any, id_of: IdOf) -> bytes | None:
    """The document that is in force, None before the first. `appconfigdata` is a boto3 client."""
    try:
        document = read(
            appconfigdata,
            id_of("TermsApplication"),
            id_of("TermsEnvironment"),
            id_of("TermsProfile"),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    return document or None
