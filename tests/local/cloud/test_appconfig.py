"""Configurations are deployed and read, by those who may."""

import pytest

from local.cloud.iam import accesses


@pytest.fixture
def deploy(stack):
    """Deploys a text as the rules; its deployment."""
    appconfig = stack.client("appconfig")
    application = {"ApplicationId": stack.physical("Application")}
    profile = {"ConfigurationProfileId": stack.physical("Rules")}

    def deploy(text: str) -> dict:
        version = appconfig.create_hosted_configuration_version(
            **application, **profile, Content=text.encode(), ContentType="text/plain"
        )["VersionNumber"]
        return appconfig.start_deployment(
            **application,
            **profile,
            EnvironmentId=stack.physical("Environment"),
            DeploymentStrategyId=stack.physical("AtOnce"),
            ConfigurationVersion=str(version),
        )

    return deploy


@pytest.fixture
def token(stack) -> str:
    """Of a new session; the names of what is read stand for their ids."""
    return stack.client("appconfigdata").start_configuration_session(
        ApplicationIdentifier="interlock-local",
        EnvironmentIdentifier="live",
        ConfigurationProfileIdentifier="rules",
    )["InitialConfigurationToken"]


def test_before_the_first_deployment_there_is_nothing(stack, token):
    error = stack.failure("Work", {"do": "rules", "environment": stack.physical("Environment")})
    assert error["errorType"] == "ResourceNotFoundException"
    data = stack.client("appconfigdata")
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        data.get_latest_configuration(ConfigurationToken=token)


def test_a_function_reads_what_is_deployed(stack, deploy):
    deployment = deploy("first")
    assert (deployment["State"], deployment["PercentageComplete"]) == ("COMPLETE", 100)
    found = stack.client("appconfig").get_deployment(
        ApplicationId=stack.physical("Application"),
        EnvironmentId=stack.physical("Environment"),
        DeploymentNumber=deployment["DeploymentNumber"],
    )
    assert found["ConfigurationVersion"] == deployment["ConfigurationVersion"]
    environment = stack.physical("Environment")
    assert stack.call("Work", {"do": "rules", "environment": environment}) == ["first", ""]


def test_a_poll_gets_what_is_new_and_a_token_for_the_next(stack, deploy, token):
    data = stack.client("appconfigdata")
    deploy("old")
    answers = [data.get_latest_configuration(ConfigurationToken=token)]
    deploy("new")
    for _ in range(2):
        latest = answers[-1]["NextPollConfigurationToken"]
        answers.append(data.get_latest_configuration(ConfigurationToken=latest))
    assert [each["Configuration"].read() for each in answers] == [b"old", b"new", b""]
    assert answers[0]["ContentType"] == "text/plain"
    with pytest.raises(data.exceptions.BadRequestException):
        data.get_latest_configuration(ConfigurationToken=token)


def test_a_function_may_read_what_its_role_says_alone(stack, deploy):
    deploy("secret")
    other = stack.client("appconfig").create_environment(
        ApplicationId=stack.physical("Application"), Name="other"
    )
    error = stack.failure("Work", {"do": "rules", "environment": other["Id"]})
    assert "AccessDenied" in error["errorMessage"]
    assert stack.cloud.decisions[-1].resource.endswith(
        f"/environment/{other['Id']}/configuration/{stack.physical('Rules')}"
    )


def test_a_token_or_a_configuration_that_is_unknown_is_no_resource():
    for action, body in (
        ("GetLatestConfiguration", {"configuration_token": "x"}),
        ("StartConfigurationSession", {"ApplicationIdentifier": "x"}),
        ("CreateApplication", {}),
    ):
        [access] = accesses("appconfig", action, body, "/")
        assert (access.action, access.resource) == (f"appconfig:{action}", "*")


def test_what_is_not_there_cannot_be_deployed_or_read(stack):
    appconfig = stack.client("appconfig")
    ids = {
        "ApplicationId": stack.physical("Application"),
        "EnvironmentId": stack.physical("Environment"),
        "DeploymentStrategyId": stack.physical("AtOnce"),
        "ConfigurationProfileId": stack.physical("Rules"),
        "ConfigurationVersion": "1000",
    }
    wrong = [{}, *({name: "none"} for name in list(ids)[:4])]
    for change in wrong:
        with pytest.raises(appconfig.exceptions.ResourceNotFoundException):
            appconfig.start_deployment(**ids | change)
    with pytest.raises(appconfig.exceptions.ResourceNotFoundException):
        appconfig.get_deployment(**dict(list(ids.items())[:2]), DeploymentNumber=1000)
    data = stack.client("appconfigdata")
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        data.start_configuration_session(
            ApplicationIdentifier="interlock-local",
            EnvironmentIdentifier="live",
            ConfigurationProfileIdentifier="none",
        )


def test_a_strategy_that_takes_time_is_refused(stack):
    appconfig = stack.client("appconfig")
    with pytest.raises(appconfig.exceptions.BadRequestException, match="deploys at once"):
        appconfig.create_deployment_strategy(
            Name="slow", DeploymentDurationInMinutes=10, GrowthFactor=20
        )
