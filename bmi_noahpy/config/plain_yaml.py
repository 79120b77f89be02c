"""YAML without anchors, tags and merged keys, read straight from its events: what nearly every configuration is.

A framework that holds thousands of catchments reads a configuration for each. Most of the time that this takes goes
into nodes, which only what is rare needs, and what is wrong, to be told with its line. Both are left to the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml


class NotPlain(Exception):
    """A text to be looked at more closely: it holds what is rare, or something is wrong with it."""


def plain_data(text: str, value_of: Callable[[str], Any], *, deepest: int, most_values: int) -> Any:
    """The data of a text.

    Parameters
    ----------
    value_of : The value of a scalar without quotes; raises `NotPlain` for one that is none.
    deepest : Levels of lists and mappings, and of a scalar in them.
    most_values : At most, keys counted.

    Raises
    ------
    NotPlain : The text may be good for all that.
    """
    loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        return _Reader(yaml.parse(text, Loader=loader).__next__, value_of, deepest, most_values).document()
    except (yaml.YAMLError, StopIteration) as error:
        raise NotPlain from error


class _Reader:
    """Data from events, each given by a call."""

    def __init__(
        self, event: Callable[[], Any], value_of: Callable[[str], Any], levels_left: int, values_left: int
    ) -> None:
        self._event = event
        self._value_of = value_of
        self._levels_left = levels_left
        self._values_left = values_left

    def document(self) -> Any:
        """The data of the only document."""
        self._expect(yaml.StreamStartEvent)
        self._expect(yaml.DocumentStartEvent)
        found = self._value(self._event())
        self._expect(yaml.DocumentEndEvent)
        self._expect(yaml.StreamEndEvent)
        return found

    def _expect(self, kind: type) -> None:
        if type(self._event()) is not kind:
            raise NotPlain

    def _value(self, event: Any) -> Any:
        kind = type(event)
        self._values_left -= 1
        if self._values_left < 0 or self._levels_left <= 0 or kind is yaml.AliasEvent:
            raise NotPlain
        if event.anchor is not None or event.tag is not None:
            raise NotPlain
        if kind is yaml.ScalarEvent:
            return self._value_of(event.value) if event.implicit[0] else event.value
        self._levels_left -= 1
        found = self._mapping() if kind is yaml.MappingStartEvent else self._list()
        self._levels_left += 1
        return found

    def _mapping(self) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while type(key_event := self._event()) is not yaml.MappingEndEvent:
            if type(key_event) is not yaml.ScalarEvent:
                raise NotPlain
            key = self._value(key_event)
            if key in found:
                raise NotPlain
            found[key] = self._value(self._event())
        return found

    def _list(self) -> list[Any]:
        found = []
        while type(event := self._event()) is not yaml.SequenceEndEvent:
            found.append(self._value(event))
        return found
