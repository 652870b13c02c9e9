"""Corrections of moto's CloudFormation, and the resource types it lacks."""

import functools
import json
from collections.abc import Callable
from typing import Any

import moto.awslambda.models as lambda_models
import moto.cloudformation.parsing as parsing
import moto.events.models as events_models
import moto.iam.models as iam_models
from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.iam.aws_managed_policies import aws_managed_policies_data

from local.cloud.corrections import Corrections
from local.cloud.names import ACCOUNT, REGION


class UnsupportedResources(Exception):
    """The template has resource types that the local cloud cannot create."""


class MissingResource(CloudFormationModel):
    """Base of the resource types that moto's CloudFormation does not know, or gets wrong: its
    subclasses, in the module of their service or here.

    These classes are defined after moto's own, which it finds by listing subclasses.
    """

    resource_type = "Local::MissingResource"
    name_property: str | None = None
    client: Callable[[str], Any]

    def __init__(self, physical_id: str, attributes: dict[str, str]) -> None:
        self.physical_resource_id = physical_id
        self.attributes = attributes
        self.type = self.resource_type

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.resource_type

    @classmethod
    def cloudformation_name_type(cls) -> str | None:
        return cls.name_property

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.attributes[attribute_name]

    def is_created(self) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> "MissingResource":
        return cls(*cls.create(resource_name, cloudformation_json["Properties"]))

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """Create the resource; returns what Ref and Fn::GetAtt give."""
        raise NotImplementedError


class Secret(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html"""

    resource_type = "AWS::SecretsManager::Secret"
    name_property = "Name"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        generated = properties.pop("GenerateSecretString", None)
        if generated is not None:
            properties["SecretString"] = cls.generate(generated)
        secret = cls.client("secretsmanager").create_secret(**{"Name": name, **properties})
        return secret["ARN"], {"Id": secret["ARN"]}

    @classmethod
    def generate(cls, rule: dict[str, Any]) -> str:
        """A password, put into the rule's JSON template if it has one."""
        template = rule.pop("SecretStringTemplate", None)
        key = rule.pop("GenerateStringKey", None)
        password = cls.client("secretsmanager").get_random_password(**rule)["RandomPassword"]
        return json.dumps({**json.loads(template), key: password}) if template else password


class QueuePolicy(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queuepolicy.html"""

    resource_type = "AWS::SQS::QueuePolicy"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        attributes = {"Policy": json.dumps(properties["PolicyDocument"])}
        for queue in properties["Queues"]:
            cls.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes=attributes)
        return name, {"Id": name}


class Alarm(MissingResource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html"""

    resource_type = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
        cls.client("cloudwatch").put_metric_alarm(**{"AlarmName": name, **properties})
        return name, {"Arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"}


def know_missing_types(corrections: Corrections, client: Callable[[str], Any]) -> None:
    """moto skips secrets, queue policies and alarms in a template with a warning only, as it does
    stages of APIs and all of AppConfig; an API's body is lost, so it cannot be deployed."""
    models = [model for model in parsing.get_model_list() if model is not MissingResource]
    models.extend(MissingResource.__subclasses__())
    corrections.replace(MissingResource, "client", staticmethod(client))
    types = {model.cloudformation_type(): model for model in models}
    names = {model.cloudformation_type(): model.cloudformation_name_type() for model in models}
    corrections.replace(parsing, "get_model_list", lambda: models)
    corrections.replace(parsing, "get_model_map", lambda: types)
    corrections.replace(parsing, "get_name_type_map", lambda: names)


def refer_by_name_or_arn(corrections: Corrections) -> None:
    """Ref to an event bus, an archive or a layer version gives moto's object."""
    corrections.replace(
        events_models.EventBus, "physical_resource_id", property(lambda bus: bus.name)
    )
    corrections.replace(
        events_models.Archive, "physical_resource_id", property(lambda archive: archive.name)
    )
    corrections.replace(
        lambda_models.LayerVersion, "physical_resource_id", property(lambda layer: layer.arn)
    )


def accept_archive_patterns(corrections: Corrections) -> None:
    """An archive with an event pattern fails: the pattern arrives as an object, not as text."""
    create_archive = events_models.EventsBackend.create_archive

    def create(
        backend: Any, name: str, source: str, description: str, pattern: Any, retention: Any
    ) -> Any:
        text = json.dumps(pattern) if isinstance(pattern, dict) else pattern
        return create_archive(backend, name, source, description, text, retention)

    corrections.replace(events_models.EventsBackend, "create_archive", create)


def create_partner_buses(corrections: Corrections) -> None:
    """An event bus with an EventSourceName cannot be created, since the partner's side must exist
    first, and rules on it are not found, since its name has slashes."""
    backend_class = events_models.EventsBackend
    create_event_bus = backend_class.create_event_bus

    def create(backend: Any, name: str, event_source_name: str | None = None, **rest: Any) -> Any:
        if event_source_name:
            backend.create_partner_event_source(event_source_name, ACCOUNT)
        return create_event_bus(backend, name, event_source_name, **rest)

    def bus_name(backend: Any, event_bus_arn: str | None) -> str:
        return event_bus_arn.split(":event-bus/")[-1] if event_bus_arn else "default"

    corrections.replace(backend_class, "create_event_bus", create)
    corrections.replace(backend_class, "_normalize_event_bus_arn", bus_name)


@functools.cache
def aws_managed_policies() -> dict[str, Any]:
    """moto's copy of AWS's managed policies, by name."""
    return json.loads(aws_managed_policies_data)


def attach_managed_policies(corrections: Corrections) -> None:
    """A role ignores its ManagedPolicyArns, so that it lacks what SAM grants for queues; moto would
    load all of AWS's managed policies or none."""
    create_role = iam_models.Role.create_from_cloudformation_json.__func__

    def create(
        cls: Any, name: str, resource: dict[str, Any], account: str, region: str, **rest: Any
    ) -> Any:
        role = create_role(cls, name, resource, account, region, **rest)
        backend = iam_models.iam_backends[account]["aws"]
        for policy_arn in resource["Properties"].get("ManagedPolicyArns", []):
            if policy_arn not in backend.managed_policies:
                policy_name = policy_arn.split("/")[-1]
                backend.managed_policies[policy_arn] = iam_models.AWSManagedPolicy.from_data(
                    policy_name, account, region, aws_managed_policies()[policy_name]
                )
            backend.attach_role_policy(policy_arn, role.name)
        return role

    corrections.replace(iam_models.Role, "create_from_cloudformation_json", classmethod(create))


def keep_dead_letter_queues_of_functions(corrections: Corrections) -> None:
    """A function forgets its DeadLetterConfig."""
    create_function = lambda_models.LambdaFunction.create_from_cloudformation_json.__func__

    def create(
        cls: Any, name: str, resource: dict[str, Any], account: str, region: str, **rest: Any
    ) -> Any:
        function = create_function(cls, name, resource, account, region, **rest)
        function.dead_letter_config = resource["Properties"].get("DeadLetterConfig", {})
        return function

    corrections.replace(
        lambda_models.LambdaFunction, "create_from_cloudformation_json", classmethod(create)
    )


def correct(corrections: Corrections, client: Callable[[str], Any]) -> None:
    """Apply every correction; `client` gives an in-process boto3 client of a service."""
    know_missing_types(corrections, client)
    refer_by_name_or_arn(corrections)
    accept_archive_patterns(corrections)
    create_partner_buses(corrections)
    attach_managed_policies(corrections)
    keep_dead_letter_queues_of_functions(corrections)


def create_stack(name: str, template: dict[str, Any], parameters: dict[str, str]) -> Any:
    """Create the stack in moto; UnsupportedResources if it would skip a resource."""
    types = {resource["Type"] for resource in template["Resources"].values()}
    unknown = sorted(types - set(parsing.get_model_map()))
    if unknown:
        raise UnsupportedResources(f"not in the local cloud: {', '.join(unknown)}")
    return cloudformation_backends[ACCOUNT][REGION].create_stack(
        name=name, template=json.dumps(template), parameters=parameters, tags={}
    )


def resolved(resource: dict[str, Any], stack: Any) -> dict[str, Any]:
    """A resource of a template, with the values that its references have in the stack."""
    return parsing.clean_json(resource, stack.resource_map)
