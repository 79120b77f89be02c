"""Long check of the error contract: a thousand changed configurations give a run or one list of sentences."""

from __future__ import annotations

import random
import warnings

import pytest
import yaml
from configurations import changed, write_weather

from bmi_noahpy.config import ConfigurationError, load_configuration

pytestmark = pytest.mark.slow

JUNK = (
    *("", "null", "[]", "{}", "abc", "'1e400'", ".nan", ".inf", "-1", "0", "1e300", "9" * 400, "true", "2020-02-30"),
    *("[1, [2, 3]]", "[[1], [2]]", "{a: b}", "{values: 1}", "{values: [1], units: K}", "~nosuchuser/x", '"a\\0b"'),
    *("!!bool abc", "!!float x", "!!python/name:os.system", "&a [*a]", "'15 furlongs'", "'300 K'", "x" * 3000),
    *("[" * 60 + "]" * 60, "'%Q'", "subprocess:check_output", "{class: 'os:system', arguments: {command: ls}}"),
)


def settings() -> dict:
    return changed(
        {
            "forcing": {"file": "weather.csv", "format": "csv", "time": {"utc_offset": 0.0}},
            "output": {"file": "out.nc", "daily": ["mean"], "compression": 4},
            "restart": {"every": "1 day", "keep": 2},
            "spin_up": {"period": "1 day", "cycles": 2},
            "schemes": {"turbulence": "chen1997"},
            "execution": "eager",
        }
    )


def keys(mapping: dict, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in mapping.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += keys(value, (*prefix, key))
    return found


def mutated(number: int) -> str:
    """The text of a configuration in which one or two keys have another value, another name, or are gone."""
    chance, mapping = random.Random(number), settings()
    marks = {}
    for _ in range(chance.choice((1, 1, 2))):
        *sections, key = chance.choice(keys(mapping))
        place = mapping
        for section in sections:
            place = place[section]
        kind = chance.randrange(8)
        if kind == 0:
            del place[key]
        elif kind == 1:
            place[key + chance.choice("xyz")] = place.pop(key)
        else:
            mark = f"MARK{len(marks)}"
            place[key], marks[mark] = mark, chance.choice(JUNK)
    text = yaml.safe_dump(mapping, sort_keys=False)
    for mark, junk in marks.items():
        text = text.replace(mark, junk)
    return text


@pytest.mark.parametrize("part", range(10))
def test_a_changed_configuration_is_read_or_refused_in_sentences(tmp_path, part):
    write_weather(tmp_path / "weather.csv", 16)
    path, messages = tmp_path / "site.yaml", []
    for number in range(100 * part, 100 * part + 100):
        path.write_text(mutated(number), encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                load_configuration(path)
            except ConfigurationError as error:
                messages.append(str(error))
    assert all(str(path) in message for message in messages)
    assert max(len(line) for message in messages for line in message.splitlines()) <= 800
    assert 40 < len(messages) < 100
