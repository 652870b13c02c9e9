"""Markdown documents, read for the commands, names and links in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.paths import ROOT

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_SEPARATORS = {"&&", "||", ";", "|"}


@dataclass(frozen=True)
class Document:
    """A Markdown file. `prose` is its text without fenced blocks."""

    path: Path
    text: str

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        """The text outside fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def code(self) -> list[str]:
        """What stands between backquotes within a sentence."""
        return _INLINE.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """Where links lead to."""
        return [match["target"] for match in _LINK.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """The fragments that GitHub gives to headings."""
        titles = (match["title"].lower() for match in _HEADING.finditer(self.prose))
        return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}

    @property
    def pictures(self) -> list[str]:
        """The text of each Mermaid picture."""
        blocks = _FENCE.finditer(self.text)
        return [block["text"] for block in blocks if block["language"] == "mermaid"]

    def commands(self, program: str) -> Iterator[list[str]]:
        """The arguments of each call of a program in the document's shell blocks."""
        for match in _FENCE.finditer(self.text):
            if match["language"] == "sh":
                for words in _calls(match["text"]):
                    if words[0] == program:
                        yield words[1:]

    def mentions(self, program: str) -> Iterator[list[str]]:
        """The same within sentences, where arguments may be left out."""
        for code in self.code:
            for words in _calls(code):
                if words[0] == program:
                    yield words[1:]


def read(name: str, purpose: str) -> Document:
    """A document that must exist; `purpose` says what it is for."""
    path = ROOT / name
    if not path.is_file():
        pytest.fail(f"{name} is missing: {purpose}")
    return Document(path, path.read_text())


def documents() -> list[Document]:
    """Every document of the project."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [Document(path, path.read_text()) for path in sorted(paths)]


def _calls(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell text, without comments and assignments before them."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        call: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _SEPARATORS:
                if call or not _ASSIGNMENT.fullmatch(word):
                    call.append(word)
            elif call:
                yield call
                call = []
