"""YAML as configurations need it: plain data, keys given once, and no more of it than a configuration can have."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from bmi_noahpy.config.errors import EMPTY
from bmi_noahpy.config.plain_yaml import NotPlain, plain_data

LARGEST_TEXT = 16 * 2**20
"""[byte]"""
DEEPEST = 32
"""Lists and mappings within each other."""
SHORT = 64
"""Scalars that are kept with their values. [character]"""
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
MERGE = "tag:yaml.org,2002:merge"
ODD_NUMBER = re.compile(r"[-+]?0[0-7_]+|[^:]+(:[^:]+)+")
"""017 and 12:30, which the old YAML takes to the bases of 8 and 60, and nobody who writes a configuration does."""
MOST_VALUES = 500_000
"""With aliases counted as what they stand for, so that a short text cannot unfold into one without end."""


class YamlError(ValueError):
    """A text that is not such YAML; the message says in which line, and why."""


def parse_yaml(text: str) -> Any:
    """The plain data that a text describes; an empty value is `EMPTY`, to tell it from null.

    Raises
    ------
    YamlError : with line, reason and remedy.
    """
    if len(text) > LARGEST_TEXT:
        raise YamlError(f"{len(text)} characters, more than any configuration has. Keep maps in a domain file.")
    try:
        return plain_data(text, _value_of, deepest=DEEPEST, most_values=MOST_VALUES)
    except NotPlain:
        return _from_nodes(text)


def _value_of(text: str) -> Any:
    return _known(text) if len(text) <= SHORT else _scalar(text)


def _scalar(text: str) -> Any:
    """The value of a scalar without quotes."""
    loader = _Loader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag == MERGE:
        raise NotPlain
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except (YamlError, yaml.YAMLError) as error:
        raise NotPlain from error


# Values of scalars never change, so one is enough for all that read the same.
_known = functools.lru_cache(maxsize=4096)(_scalar)


def _from_nodes(text: str) -> Any:
    """`parse_yaml` for everything that YAML has, and for its errors."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise YamlError(f"{line}not valid YAML, {error.problem or error.context}. Correct it.") from None
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None


def _refused(node: yaml.Node | yaml.Event, text: str) -> YamlError:
    line = f"line {node.start_mark.line + 1}: " if node.start_mark else ""
    return YamlError(f"{line}{text}")


def _reader() -> Any:
    """What reads a text: libyaml, many times as fast, where PyYAML has it. Nodes are made in Python, and counted."""
    if not yaml.__with_libyaml__:
        return yaml.SafeLoader
    parser: Any = yaml.cyaml.CParser  # type: ignore[attr-defined]
    parts = (Composer, parser, SafeConstructor, Resolver)

    def begin(self: Any, stream: Any) -> None:
        parser.__init__(self, stream)
        for part in (Composer, SafeConstructor, Resolver):
            part.__init__(self)

    return type("Reader", parts, {"__init__": begin})


class _Loader(_reader()):  # type: ignore[misc]
    """YAML that refuses repeated keys, and tells an empty value from null."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = self._values = 0
        self._sizes: dict[int, int] = {}

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a value; 017 and 12:30 are texts, of which whoever expects a number reads 17 and refuses 12:30."""
        tag: str = super().resolve(kind, value, implicit)
        odd = tag in NUMBERS and kind is yaml.ScalarNode and ODD_NUMBER.fullmatch(value)
        return self.DEFAULT_SCALAR_TAG if odd else tag

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:
        """A node, unless it would be one too many or too deep."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            size = self._sizes.get(id(node))
            if size is None:
                raise _refused(event, f"{event.anchor!r} holds itself. Write out what it stands for.")
            return self._counted(node, size, event)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused(event, f"more than {DEEPEST} lists or mappings within each other. Correct the brackets.")
        before = self._values
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._counted(node, 1, event)
        self._sizes[id(node)] = self._values - before
        return node

    def _counted(self, node: Any, size: int, event: yaml.Event) -> Any:
        self._values += size
        if self._values > MOST_VALUES:
            raise _refused(event, f"more than {MOST_VALUES} values. Keep maps in a domain file.")
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; one sentence when its text is not of its kind."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, YamlError):
                raise
            kind, given = node.tag.rpartition(":")[2], str(node.value)[:40]
            raise _refused(node, f"{given!r} cannot be read as {kind}. Correct it, or put it in quotes.") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A dictionary; raises for a key given twice, and one that is no plain value."""
        if not isinstance(node, yaml.MappingNode):
            raise _refused(node, "no mapping, though its tag says so. Remove the tag.")
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused(key_node, "a list or mapping stands as a key. Put a name before the colon.")
            if key_node.tag == MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _refused(key_node, f"key {str(key)[:40]!r} is given twice. Keep one.")
            seen.add(key)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found

    def construct_null(self, node: yaml.ScalarNode) -> Any:
        """None, or the mark of an empty value."""
        return None if node.value else EMPTY


_Loader.add_constructor("tag:yaml.org,2002:null", _Loader.construct_null)
