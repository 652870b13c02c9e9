"""What the documents say exists, and is said of the project as it is."""

from __future__ import annotations

import datetime
import importlib.util
import re
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest

from local.cli.main import interlock
from local.paths import ROOT
from local.project import functions, template
from tests.docs.documents import Document, documents, read

EVERY_DOCUMENT = pytest.mark.parametrize("document", documents(), ids=str)

# Their text is where a name in a document must occur.
SOURCES = ("functions", "layers", "local", "statemachines", "tests", "events")
SUFFIXES = {".json", ".py", ".toml", ".txt", ".yaml"}
FILES = ("Makefile", "pyproject.toml", "samconfig.toml", "template.yaml", ".ci/run")

# An identifier of code: with an underscore, or with a capital inside.
IDENTIFIER = re.compile(r"(?=\w*(?:_|[a-z][A-Z]))[A-Za-z]\w+")
VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
PATH = re.compile(r"\.?[\w.-]+/[\w./-]*")
DECISION = re.compile(r"## (?P<date>\d{4}-\d{2}-\d{2}): (?P<title>\S.*)")
LINES = ("Context: ", "Decision: ", "Consequence: ")


@cache
def readme() -> Document:
    """README.md."""
    return read("README.md", "what this is, for whom, and the two commands")


@cache
def targets() -> set[str]:
    """The Makefile's targets for people."""
    path = ROOT / "Makefile"
    if not path.is_file():
        pytest.fail("Makefile is missing: README.md's `make demo` and `make test`")
    return set(re.findall(r"^([a-z][a-z-]*):", path.read_text(), re.MULTILINE))


@cache
def sources() -> str:
    """The text of everything that the documents speak of."""
    found = [path for folder in SOURCES for path in (ROOT / folder).rglob("*")]
    paths = [path for path in found if path.suffix in SUFFIXES] + [ROOT / name for name in FILES]
    return "\n".join(path.read_text() for path in paths if path.is_file())


def test_the_readme_names_the_two_commands() -> None:
    named = {words[0] for words in readme().commands("make") if words}

    assert {"demo", "test"} <= named


def test_make_explains_each_target() -> None:
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.M))

    assert targets() - {"help"} == explained


@EVERY_DOCUMENT
def test_each_make_command_is_a_target(document: Document) -> None:
    for words in [*document.commands("make"), *document.mentions("make")]:
        wanted = {word for word in words if "=" not in word}  # the rest sets variables
        assert wanted <= targets(), f"make {' '.join(words)}"


@EVERY_DOCUMENT
def test_each_interlock_command_can_be_given(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line itself parses it: its options, choices and files."""
    monkeypatch.chdir(ROOT)
    context = click.Context(interlock)
    for words in document.commands("interlock"):
        _, rest, _ = interlock.make_parser(context).parse_args(list(words))
        _parse(interlock, context, rest)


def _parse(group: click.Group, context: click.Context, words: list[str]) -> None:
    """Let a command of a group parse its words, and a group's own command the rest of them."""
    name, *rest = words
    command = group.get_command(context, name)
    assert command, f"there is no `{context.info_name or 'interlock'} {name}`"
    with command.make_context(name, list(rest), parent=context) as own:
        if not isinstance(command, click.Group):
            return
        _, following, _ = command.make_parser(own).parse_args(list(rest))
        if following:
            _parse(command, own, following)


@EVERY_DOCUMENT
def test_each_mentioned_interlock_command_exists(document: Document) -> None:
    context = click.Context(interlock)
    for words in document.mentions("interlock"):
        names = [word for word in words if not word.startswith("-")]
        commands: list[click.Command] = [interlock]
        while names and "--stack" not in words and isinstance(commands[-1], click.Group):
            command = commands[-1].get_command(context, names.pop(0))
            if command is None and len(commands) > 1:
                break  # a group's own argument
            assert command, f"there is no `interlock {' '.join(words)}`"
            commands.append(command)
        known = {option for command in commands for p in command.params for option in p.opts}
        assert {word for word in words if word.startswith("-")} <= known | {"--help"}, words


@EVERY_DOCUMENT
def test_each_python_module_can_be_run(document: Document) -> None:
    for words in [*document.commands("python"), *document.mentions("python")]:
        if words[0] == "-m":
            assert importlib.util.find_spec(words[1]), words[1]


@EVERY_DOCUMENT
def test_each_sam_command_speaks_of_this_template(document: Document) -> None:
    profiles = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for words in [*document.commands("sam"), *document.mentions("sam")]:
        for option, value in pairwise(words):
            if option == "--parameter-overrides":
                assert value.split("=")[0] in template()["Parameters"], value
            if option == "--config-env":
                assert value in profiles, value
            if option == "-e":
                assert (ROOT / value).is_file(), value
            if option == "invoke" and not value.startswith("-"):
                assert value in functions(), value


@EVERY_DOCUMENT
def test_each_relative_link_leads_somewhere(document: Document) -> None:
    for link in document.links:
        path, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (document.path.parent / path).resolve() if path else document.path
        assert target.exists(), link
        if fragment:
            assert fragment in Document(target, target.read_text()).anchors, link


@EVERY_DOCUMENT
def test_each_path_exists(document: Document) -> None:
    """From the project's folder or the shared package's; one with a placeholder is not checked."""
    folders = {path.name for path in ROOT.iterdir()}
    for code in filter(PATH.fullmatch, document.code):
        if code.split("/")[0] in folders or Path(code).suffix:
            assert any((root / code).exists() for root in (ROOT, ROOT / "layers/interlock")), code


@EVERY_DOCUMENT
def test_each_function_in_a_picture_exists(document: Document) -> None:
    names = {function.name for function in functions().values()}
    areas = "|".join({function.area for function in functions().values()})
    for picture in document.pictures:
        drawn = re.findall(rf"\b(?:{areas})/\w+", picture)
        assert set(drawn) <= names


@EVERY_DOCUMENT
def test_each_name_of_code_exists(document: Document) -> None:
    for code in document.code:
        if IDENTIFIER.fullmatch(code):
            assert code in sources(), f"`{code}` is nowhere in the project"


@EVERY_DOCUMENT
def test_each_environment_variable_is_read(document: Document) -> None:
    for name in set(VARIABLE.findall(document.text)):
        assert re.search(rf"\b{name}\b", sources()), f"{name} is nowhere in the project"


def test_a_contributor_is_told_what_the_checks_run() -> None:
    """`.ci/run` calls what README.md names, nothing else."""
    path = ROOT / ".ci/run"
    assert path.is_file(), ".ci/run is missing: what a contribution must pass"
    lines = path.read_text().splitlines()
    calls = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]

    assert calls
    for call in calls:
        assert call.startswith("make "), f"{call}: call a target, so that anyone can run it"
        assert f"`{call}`" in readme().text, f"README.md does not name `{call}`"


def test_the_changelog_has_this_version() -> None:
    version = _project()["version"]
    changelog = read("CHANGELOG.md", "what changed, by version")

    assert re.search(rf"^## \[?{re.escape(version)}\b", changelog.text, re.MULTILINE), version


def test_each_decision_is_dated_and_has_three_lines() -> None:
    decisions = read("docs/decisions.md", "why things are as they are")
    _, *entries = re.split(r"^(?=## )", decisions.text, flags=re.MULTILINE)
    assert entries
    for entry in entries:
        heading, *lines = [line for line in entry.splitlines() if line]
        match = DECISION.fullmatch(heading)
        assert match, f"{heading!r} is not `## <date>: <title>`"
        assert datetime.date.fromisoformat(match["date"])
        assert len(lines) == len(LINES), heading
        for line, start in zip(lines, LINES, strict=True):
            assert line.startswith(start), f"{heading}: {line!r} does not begin with {start!r}"


def test_decisions_are_in_the_order_of_their_dates() -> None:
    dates = re.findall(r"^## (\d{4}-\d{2}-\d{2})", (ROOT / "docs/decisions.md").read_text(), re.M)

    assert dates == sorted(dates)


def test_the_licence_is_the_one_that_is_declared() -> None:
    path = ROOT / "LICENSE"
    assert path.is_file(), "LICENSE is missing"
    title = " ".join(path.read_text().split()[:5])

    assert (_project()["license"], title) == ("Apache-2.0", "Apache License Version 2.0, January")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
