"""Texts read straight from their events are read as those that are made into nodes first."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bmi_noahpy.config import yaml_text
from bmi_noahpy.config.errors import EMPTY
from bmi_noahpy.config.plain_yaml import NotPlain, plain_data

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
PLAIN = """
nothing:
null_: null
tilde: ~
numbers: [1, -2.5, 1e3, 1.0e+3, .inf, 0x1F, 017, 1_000, 190:20:30]
truth: [yes, No, true, off]
texts: ["1", 'null', plain text, "with\\nline", |-
  block
  ]
when: [2007-04-10, 2007-04-10T05:00:00, 2007-04-10T05:00]
nested: {a: {b: [[], {}, ""]}}
1: number as a key
2.5: another
2007-04-10: day as a key
false: truth as a key
"""


def events_only(text: str):
    return plain_data(text, yaml_text._value_of, deepest=yaml_text.DEEPEST, most_values=yaml_text.MOST_VALUES)


@pytest.mark.parametrize(
    "text", [PLAIN.replace("|-\n  block\n  ", "block"), "[]", "{}", "5", "a: b # c", "- 1\n- - 2\n"]
)
def test_plain_text_gives_the_same_data_either_way(text):
    assert repr(events_only(text)) == repr(yaml_text._from_nodes(text))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_configurations_of_examples_are_plain_and_give_the_same_data(path):
    text = path.read_text()
    assert events_only(text) == yaml_text._from_nodes(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n", "a: !!str 5\n", "a: {<<: {b: 1}}\n", "a: 1\na: 2\n", "[a]: 1\n", "? {a: 1}\n: 2\n",
        "--- 1\n--- 2\n", "", "a: [1\n", "a: 2020-02-30\n", "a: \x01\n", "=: 1\n",
        "a: " + "[" * 40 + "]" * 40, "a: !own 1\n",
    ],
)  # fmt: skip
def test_what_is_rare_or_wrong_is_looked_at_more_closely(text):
    with pytest.raises(NotPlain):
        events_only(text)


def test_as_many_levels_and_values_count_either_way(monkeypatch):
    for levels in (yaml_text.DEEPEST - 1, yaml_text.DEEPEST):
        text = "[" * levels + "1" + "]" * levels
        if levels < yaml_text.DEEPEST:
            assert events_only(text) == yaml_text._from_nodes(text)
        else:
            for read in (events_only, yaml_text._from_nodes):
                with pytest.raises((NotPlain, yaml_text.YamlError)):
                    read(text)
    monkeypatch.setattr(yaml_text, "MOST_VALUES", 6)
    assert yaml_text.parse_yaml("a: [1, 2, 3]") == {"a": [1, 2, 3]} == events_only("a: [1, 2, 3]")
    with pytest.raises(yaml_text.YamlError, match="more than 6 values"):
        yaml_text.parse_yaml("a: [1, 2, 3, 4]")


def test_values_are_kept_only_of_short_texts_and_empty_is_told_from_null():
    assert events_only("a:") == {"a": EMPTY}
    assert events_only("a: ~") == {"a": None}
    assert math.isnan(events_only("[.nan]")[0])
    before = yaml_text._known.cache_info().currsize
    long = "x" * (yaml_text.SHORT + 1)
    assert events_only(f"a: {long}") == {"a": long}
    assert yaml_text._known.cache_info().currsize <= before + 1


def test_numbers_to_the_bases_of_8_and_60_are_texts():
    text = "[017, -010, 12:30, +10:00, 3:00:00, 1:30.5, 0, -0, 0.5, 0x1F, 08.5]"
    expected = ["017", "-010", "12:30", "+10:00", "3:00:00", "1:30.5", 0, 0, 0.5, 31, 8.5]
    assert events_only(text) == yaml_text._from_nodes(text) == expected
