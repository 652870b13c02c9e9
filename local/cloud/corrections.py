"""Replaces attributes of moto while a local cloud is open, and puts them back when it closes.

Every correction of moto is a named function in the module of its service. Its docstring says
what moto 5.2.5 does wrong; a test shows that it still does.
"""

from types import SimpleNamespace
from typing import Any

_ABSENT = object()


class Corrections:
    """The replaced attributes, in the order they were replaced."""

    def __init__(self) -> None:
        self._originals: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Set `owner.name` to `replacement` until `undo`."""
        self._originals.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, replacement)

    def undo(self) -> None:
        """Give every replaced attribute its original value."""
        while self._originals:
            owner, name, original = self._originals.pop()
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def module_with(module: Any, **replacements: Any) -> SimpleNamespace:
    """The names of a module, some of them replaced, to plant where the module is imported."""
    return SimpleNamespace(**{**vars(module), **replacements})
