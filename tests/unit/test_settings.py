"""Settings from the environment."""

from __future__ import annotations

import pytest
from interlock.settings import Settings


class TwoSettings(Settings):
    """Two variables, one of them optional."""

    effects_table: str
    region: str = "eu-central-1"


def test_a_setting_is_the_variable_of_its_name(environment) -> None:
    environment(EFFECTS_TABLE="effects")

    assert TwoSettings.load() == TwoSettings(effects_table="effects", region="eu-central-1")


def test_settings_are_read_once(environment) -> None:
    environment(EFFECTS_TABLE="first")
    first = TwoSettings.load()
    environment(EFFECTS_TABLE="second")

    assert TwoSettings.load() is first


def test_what_is_missing_is_named(environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EFFECTS_TABLE", raising=False)

    with pytest.raises(LookupError, match=r"environment: EFFECTS_TABLE$"):
        TwoSettings.load()


def test_each_kind_of_settings_is_read_for_itself(environment) -> None:
    class Other(Settings):
        region: str

    environment(EFFECTS_TABLE="effects", REGION="us-east-1")

    assert TwoSettings.load().region == Other.load().region == "us-east-1"
