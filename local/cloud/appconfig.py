"""What moto's AppConfig lacks: environments, deployments, and reading what is deployed.

A deployment is complete at once; a strategy that takes time is refused.
https://docs.aws.amazon.com/appconfig/latest/userguide/what-is-appconfig.html
"""

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import moto.appconfig.urls as urls
import moto.backend_index as backend_index
from moto.appconfig.exceptions import AppNotFoundException
from moto.appconfig.models import Application, appconfig_backends
from moto.appconfig.responses import AppConfigResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import BaseResponse

from local.cloud.clock import clock
from local.cloud.cloudformation import MissingResource
from local.cloud.corrections import Corrections
from local.cloud.eventbridge import timestamp
from local.cloud.names import ACCOUNT, REGION

DATA_HOST = r"https?://appconfigdata\.(.+)\.amazonaws\.com"
POLL_SECONDS = 60
INSTANT = {"DeploymentDurationInMinutes": 0, "FinalBakeTimeInMinutes": 0, "GrowthFactor": 100}


class Missing(JsonRESTError):
    """Something that a request names is not there."""

    def __init__(self, what: str) -> None:
        super().__init__("ResourceNotFoundException", f"{what} not found")
        self.code = 404


class BadRequest(JsonRESTError):
    """A request that cannot be served as it is."""

    def __init__(self, message: str) -> None:
        super().__init__("BadRequestException", message)


@dataclass(frozen=True)
class Configuration:
    """The ids of an application, an environment and a profile."""

    application: str
    environment: str
    profile: str

    @property
    def arn(self) -> str:
        """https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsappconfig.html"""
        return (
            f"arn:aws:appconfig:{REGION}:{ACCOUNT}:application/{self.application}"
            f"/environment/{self.environment}/configuration/{self.profile}"
        )


@dataclass
class Store:
    """Environments by id, each with its application; strategies; deployments in order; and for
    each token that was not used yet, the configuration and the deployment that its client has."""

    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    strategies: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, tuple[Configuration, int]] = field(default_factory=dict)

    def environment(self, application: str, identifier: str) -> dict[str, Any]:
        """By id or name. Raises Missing."""
        for environment in self.environments.values():
            names = (environment["Id"], environment["Name"])
            if environment["ApplicationId"] == application and identifier in names:
                return environment
        raise Missing("Environment")

    def configuration(self, body: dict[str, Any]) -> Configuration:
        """What the body of StartConfigurationSession asks for. Raises Missing."""
        application = _application(body["ApplicationIdentifier"])
        environment = self.environment(application.id, body["EnvironmentIdentifier"])
        profiles = application.config_profiles.values()
        wanted = body["ConfigurationProfileIdentifier"]
        for profile in profiles:
            if wanted in (profile.id, profile.name):
                return Configuration(application.id, environment["Id"], profile.id)
        raise Missing("ConfigurationProfile")

    def issue(self, configuration: Configuration, deployment: int) -> str:
        """A token for one call."""
        token = secrets.token_urlsafe(32)
        self.tokens[token] = configuration, deployment
        return token

    def deployed(self, configuration: Configuration) -> dict[str, Any]:
        """The latest deployment. Raises Missing."""
        for deployment in reversed(self.deployments):
            if configuration == _configuration(deployment):
                return deployment
        raise Missing("Deployment")


store = Store()
"""Of the local cloud that is open."""


class ControlPlane(AppConfigResponse):
    """The actions that moto lacks, by the names of the service's model."""

    def create_environment(self) -> str:
        application = _application(self._get_param("ApplicationId")).id
        environment = {
            "ApplicationId": application,
            "Id": secrets.token_hex(4)[:7],
            "Name": self._get_param("Name"),
            "Description": self._get_param("Description") or "",
            "State": "READY_FOR_DEPLOYMENT",
        }
        store.environments[environment["Id"]] = environment
        return json.dumps(environment)

    def create_deployment_strategy(self) -> str:
        strategy = {name: self._get_param(name) for name in ("Name", *INSTANT)}
        if any(float(strategy[name] or 0) != value for name, value in INSTANT.items()):
            raise BadRequest("the local cloud deploys at once: a strategy cannot take time here")
        strategy["Id"] = secrets.token_hex(4)[:7]
        store.strategies[strategy["Id"]] = strategy
        return json.dumps(strategy)

    def start_deployment(self) -> str:
        application = _application(self._get_param("ApplicationId"))
        environment = store.environment(application.id, self._get_param("EnvironmentId"))
        strategy = store.strategies.get(self._get_param("DeploymentStrategyId"))
        if strategy is None:
            raise Missing("DeploymentStrategy")
        profile = self._get_param("ConfigurationProfileId")
        version = self._get_param("ConfigurationVersion")
        self.appconfig_backend.get_hosted_configuration_version(
            application.id, profile, int(version)
        )
        deployment = {
            "ApplicationId": application.id,
            "EnvironmentId": environment["Id"],
            "DeploymentStrategyId": strategy["Id"],
            "ConfigurationProfileId": profile,
            "ConfigurationVersion": version,
            "DeploymentNumber": 1 + len(_deployments_of(environment["Id"])),
            "Description": self._get_param("Description") or "",
            "State": "COMPLETE",
            "PercentageComplete": 100.0,
            "StartedAt": timestamp(clock.now()),
            "CompletedAt": timestamp(clock.now()),
        }
        store.deployments.append(deployment)
        return json.dumps(deployment)

    def get_deployment(self) -> str:
        number = self._get_int_param("DeploymentNumber")
        for deployment in _deployments_of(self._get_param("EnvironmentId")):
            if deployment["DeploymentNumber"] == number:
                return json.dumps(deployment)
        raise Missing("Deployment")


class DataPlane(BaseResponse):
    """https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_Operations_AWS_AppConfig_Data.html"""

    def __init__(self) -> None:
        super().__init__(service_name="appconfigdata")

    def start_configuration_session(self) -> str:
        configuration = store.configuration(json.loads(self.body))
        return json.dumps({"InitialConfigurationToken": store.issue(configuration, 0)})

    def get_latest_configuration(self) -> tuple[int, dict[str, str], str]:
        """Nothing, when the client has the latest already. A token is good for one call.

        Unconfirmed: that of what was never deployed nothing is found.
        """
        token = self.querystring["configuration_token"][0]
        if token not in store.tokens:
            raise BadRequest("Request failed validation: the token is not valid")
        configuration, known = store.tokens[token]
        deployment = store.deployed(configuration)
        del store.tokens[token]
        number = deployment["DeploymentNumber"]
        headers = {
            "Next-Poll-Configuration-Token": store.issue(configuration, number),
            "Next-Poll-Interval-In-Seconds": str(POLL_SECONDS),
            "Content-Type": "application/octet-stream",
        }
        if number == known:
            return 200, headers, ""
        version = appconfig_backends[ACCOUNT][REGION].get_hosted_configuration_version(
            configuration.application,
            configuration.profile,
            int(deployment["ConfigurationVersion"]),
        )
        return 200, headers | {"Content-Type": version.content_type}, version.content


def configuration_arn(body: dict[str, Any]) -> str | None:
    """The resource of a request to the data plane, None if there is none."""
    if "configuration_token" in body:
        known = store.tokens.get(body["configuration_token"])
        return known[0].arn if known else None
    try:
        return store.configuration(body).arn
    except (JsonRESTError, KeyError):
        return None


def _application(identifier: str) -> Application:
    """By id or name. Raises AppNotFoundException."""
    for application in appconfig_backends[ACCOUNT][REGION].applications.values():
        if identifier in (application.id, application.name):
            return application
    raise AppNotFoundException


def _deployments_of(environment: str) -> list[dict[str, Any]]:
    return [each for each in store.deployments if each["EnvironmentId"] == environment]


def _configuration(deployment: dict[str, Any]) -> Configuration:
    names = ("ApplicationId", "EnvironmentId", "ConfigurationProfileId")
    return Configuration(*(deployment[name] for name in names))


class ApplicationResource(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-appconfig-application.html"""

    resource_type = "AWS::AppConfig::Application"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        made = cls.client("appconfig").create_application(Name=properties["Name"])["Id"]
        return made, {"ApplicationId": made}


class EnvironmentResource(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-appconfig-environment.html"""

    resource_type = "AWS::AppConfig::Environment"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        made = cls.client("appconfig").create_environment(
            ApplicationId=properties["ApplicationId"], Name=properties["Name"]
        )["Id"]
        return made, {"EnvironmentId": made}


class ConfigurationProfileResource(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-appconfig-configurationprofile.html"""

    resource_type = "AWS::AppConfig::ConfigurationProfile"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        made = cls.client("appconfig").create_configuration_profile(**properties)["Id"]
        return made, {"ConfigurationProfileId": made}


class DeploymentStrategyResource(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-appconfig-deploymentstrategy.html"""

    resource_type = "AWS::AppConfig::DeploymentStrategy"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        made = cls.client("appconfig").create_deployment_strategy(**properties)["Id"]
        return made, {"Id": made}


def serve_deployments(corrections: Corrections) -> None:
    """moto's AppConfig has applications, profiles and versions, and no way to deploy them."""
    environments = "{0}/applications/(?P<application>[^/]+)/environments"
    deployments = environments + "/(?P<environment>[^/]+)/deployments"
    added = (
        "{0}/deploymentstrategies$",
        environments + "$",
        deployments + "$",
        deployments + "/(?P<number>[^/]+)$",
    )
    paths = urls.url_paths | dict.fromkeys(added, ControlPlane.dispatch)
    corrections.replace(urls, "url_paths", paths)


def serve_configurations(corrections: Corrections) -> None:
    """The service that tells what is deployed, appconfigdata, is not there. Over HTTP it is known
    by the name that its requests are signed with, which is AppConfig's."""
    added = ("{0}/configurationsessions$", "{0}/configuration$")
    paths = urls.url_paths | dict.fromkeys(added, DataPlane.dispatch)
    patterns = [*backend_index.backend_url_patterns, ("appconfig", re.compile(DATA_HOST))]
    corrections.replace(backend_index, "backend_url_patterns", patterns)
    corrections.replace(urls, "url_bases", [*urls.url_bases, DATA_HOST])
    corrections.replace(urls, "url_paths", paths)


def correct(corrections: Corrections) -> None:
    for kept in (store.environments, store.strategies, store.deployments, store.tokens):
        kept.clear()
    serve_deployments(corrections)
    serve_configurations(corrections)
