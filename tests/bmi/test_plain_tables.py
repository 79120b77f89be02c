"""Tables written plainly are read in a quick way: to the same times and numbers as in the way that asks each field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bmi_noahpy.tabular import clock, reader
from bmi_noahpy.tabular.clock import TimeSpec, carry_offsets, parse_times
from bmi_noahpy.tabular.errors import TableError
from bmi_noahpy.tabular.fields import as_numbers, fields
from bmi_noahpy.tabular.lines import SPACES
from bmi_noahpy.tabular.reader import TextTable, read_text_table

PLAIN = [
    ["2007-04-01T00:00", "2007-04-01T03:00"],
    ["2007-04-01 00:00:30", "1904-02-29 23:59:59"],
    ["2007-04-01T00:00Z", "2007-04-01T03:00:10Z"],
]
OTHERS = [
    ["2007-04-01T24:00", "2007-04-02T03:00"],
    ["2007-04-01T00:00+08:00", "2007-04-01T03:00Z"],
    ["2007-4-1T0:00", "2007-04-01T03:00"],
    ["2007-04-01", "2007-04-02"],
]


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "carry_offset", lambda texts: None)
    monkeypatch.setattr(TextTable, "_plain_numbers", lambda table, name: None)
    monkeypatch.setattr(reader, "_are_whole", lambda *given: False)


@pytest.mark.parametrize("texts", [*PLAIN, *OTHERS], ids=lambda texts: texts[0])
@pytest.mark.parametrize("time", [TimeSpec(), TimeSpec(utc_offset=8.0), TimeSpec(zone="Europe/Zurich")], ids=str)
def test_times_are_the_same_either_way(monkeypatch, texts, time):
    quick, own = parse_times(texts, time, "time"), carry_offsets([texts])
    slowly(monkeypatch)
    assert np.array_equal(quick, parse_times(texts, time, "time"))
    assert np.array_equal(own, carry_offsets([texts]))


@pytest.mark.parametrize("wrong", ["2007-02-30T00:00", "2007-04-01T25:00", "0019-04-01T00:00", "2300-04-01T00:00"])
def test_a_plain_text_that_is_no_moment_is_refused_either_way(monkeypatch, wrong):
    messages = []
    for _ in range(2):
        with pytest.raises(TableError) as caught:
            parse_times(["2007-04-01T00:00", wrong], TimeSpec(), "time")
        messages.append(str(caught.value))
        slowly(monkeypatch)
    assert messages[0] == messages[1]
    assert "record 2 is" in messages[0]


FIELDS = ["1.5", " 2", "3 ", "nan", "", "NA", "-9999", "1e3", "inf", "-0.0", "0.30000000000000004"]


def test_numbers_are_the_same_either_way(monkeypatch, tmp_path):
    path = tmp_path / "table.csv"
    stamps = [f"2007-04-01T{hour:02d}:00" for hour in range(len(FIELDS))]
    lines = [f"{stamp},{k},{field}" for k, (stamp, field) in enumerate(zip(stamps, FIELDS, strict=True))]
    path.write_text("\n".join(["time,plain,mixed", "# a remark", *lines, "", " ,, "]) + "\n", encoding="utf-8")
    quick = read_text_table(path)
    found = [quick.numbers(name) for name in ("plain", "mixed")]
    slowly(monkeypatch)
    slow = read_text_table(path)
    assert np.array_equal(quick.rows, slow.rows)
    assert quick.texts("time") == slow.texts("time") == stamps
    for one, other in zip(found, (slow.numbers(name) for name in ("plain", "mixed")), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
    assert np.isnan(found[1]).sum() == 4


@pytest.mark.parametrize("separator", [",", ";", "\t", " "], ids=["comma", "semicolon", "tab", "blanks"])
@pytest.mark.parametrize(
    "odd", ["28_0", "0x1p3", "1d5", "1e400", "٣", "1,5", "--", "5.", ".5", "+7", "1e-320", "Infinity"]
)
def test_odd_spellings_are_numbers_or_refused_as_by_the_parser_of_python(separator, odd):
    if separator in odd:
        pytest.skip("two fields")
    texts = ["1.0", odd, "3.0"]
    lines = [separator.join((f"2007-04-0{k}", text, f"{k}.25")) for k, text in enumerate(texts, start=1)]
    made = fields(Path("table.csv"), lines, ("time", "odd", "plain"), SPACES if separator == " " else separator)
    assert made.texts("odd") == texts
    assert made.numbers("plain").tolist() == [1.25, 2.25, 3.25]
    try:
        expected = as_numbers(texts)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            made.numbers("odd")
        return
    try:
        assert np.array_equal(made.numbers("odd"), expected)
    except ValueError:
        # Digits of other scripts: the way that looks at each field reads them.
        assert not odd.isascii()


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("mark", ["", "NA"], ids=["blank", "NA"])
def test_fields_without_a_value_are_read_with_all_the_others_at_once(monkeypatch, separator, mark):
    rows = [[mark, "1.5", "2", "a"], ["4.25", mark, mark, "none"], ["-7", "8", mark, mark]]
    lines = [separator.join(row) for row in rows]
    made = fields(Path("table.csv"), lines, ("a", "b", "c", "d"), separator)
    reads, read = [], np.loadtxt
    monkeypatch.setattr(np, "loadtxt", lambda *given, **how: reads.append(how["usecols"]) or read(*given, **how))
    for name, expected in (("a", [np.nan, 4.25, -7.0]), ("b", [1.5, np.nan, 8.0]), ("c", [2.0, np.nan, np.nan])):
        assert np.array_equal(made.numbers(name), expected, equal_nan=True)
    assert reads == [[0, 1, 2], [0, 1, 2]]
    assert made.texts("d") == ["a", "none", mark]


def test_what_is_done_to_a_column_of_numbers_is_not_done_to_the_table():
    made = fields(Path("table.csv"), ["1,2", "3,4"], ("a", "b"), ",")
    made.numbers("a")[:] = np.nan
    assert made.numbers("a").tolist() == [1.0, 3.0]


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("blanks", ["", "  "])
def test_a_separator_at_the_end_of_a_record_takes_nothing_of_its_last_value_along(tmp_path, separator, blanks):
    records = [separator.join((f"2020-01-01T{hour:02d}:00", "271.5", "1025")) for hour in range(12)]
    records[7] += separator + blanks
    table = tmp_path / "records.txt"
    table.write_text("\n".join([separator.join(("time", "ta", "p")), *records]) + "\n")
    assert np.array_equal(read_text_table(table).numbers("p"), np.full(12, 1025.0))
