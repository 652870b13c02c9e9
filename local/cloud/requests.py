"""Corrections of what moto does for every request, whatever the service."""

import functools
from collections.abc import Iterator
from typing import Any

import moto.backends as backends
import moto.core.responses as responses
import moto.core.serialize as serialize
from botocore.model import Shape
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

from local.cloud.corrections import Corrections


def list_services_once(corrections: Corrections) -> None:
    """The folder of moto's services is read again for every request over HTTP."""
    services = tuple(backends.list_of_moto_modules())
    corrections.replace(backends, "list_of_moto_modules", lambda: services)


def list_actions_once(corrections: Corrections) -> None:
    """A service's class is searched for all its methods again for every request."""
    listed = functools.cache(responses.method_names_from_class)
    corrections.replace(responses, "method_names_from_class", listed)


def name_members_once(corrections: Corrections) -> None:
    """The names that a member of an answer may have in what moto returns are worked out again for
    every value, which takes longer than the rest of reading a table."""
    possible_keys = XFormedAttributePicker.get_possible_keys

    @functools.cache
    def keys_in_a_dict(shape: Shape, key: str) -> tuple[str, ...]:
        context = AttributePickerContext(obj={}, key=key, shape=shape)
        return tuple(dict.fromkeys(possible_keys(XFormedAttributePicker(), context)))

    def names(picker: Any, context: AttributePickerContext) -> Iterator[str]:
        if type(context.obj) is dict:  # of all else, the class has a say
            yield from keys_in_a_dict(context.shape, context.key)
        else:
            yield from possible_keys(picker, context)

    corrections.replace(serialize.XFormedAttributePicker, "get_possible_keys", names)


def correct(corrections: Corrections) -> None:
    list_services_once(corrections)
    list_actions_once(corrections)
    name_members_once(corrections)
