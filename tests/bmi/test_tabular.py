"""Text tables of the usual conventions: what is found in them without being told."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_noahpy.tabular import TableError, TextOptions, TimeSpec, find_clock, parse_clock, parse_times, read_text_table

FILES = {
    "semicolons and decimal commas": (
        "Zeit;Tair [°C];RH [%]\n01.06.2019 01:00;5,2;81\n13.06.2019 24:00;5,1;\n",
        "cp1252",
    ),
    "tabs, a line of units, date and time apart": (
        "Date\tTime\tTair\tRH\n\t\tdegC\t%\n2019/6/1\t1:00\t5.2\t81\n2019/6/13\t24:00\t5.1\t\n",
        "utf-8",
    ),
    "comments and codes": (
        "# site: X\n# made: 2019\ntime,Tair,RH\n2019-06-01T01:00,5.2,81\n2019-06-14T00:00,5.1,-9999\n",
        "utf-8",
    ),
    "blanks": ("year month day hour Tair RH\n2019 6 1 1 5.2 81\n2019 6 13 24 5.1 NaN\n", "utf-8"),
    "quotes and a separator at the end": (
        '"time","Tair","RH",\n"2019-06-01 01:00:00",5.2,81,\n"2019-06-14 00:00:00",5.1,"NA",\n',
        "utf-8",
    ),
    "stamps without marks": (
        "TIMESTAMP_START,TIMESTAMP_END,Tair,RH\n201906010100,201906010130,5.2,81\n201906140000,201906140030,5.1,-9999\n",
        "utf-8-sig",
    ),
    "day of the year": ("Year,DOY,Hour,Tair,RH\n2019,152,1,5.2,81\n2019,165,0,5.1,\n", "utf-16"),
    "SMET": (
        "SMET 1.1 ASCII\n[HEADER]\nstation_id = X\nnodata = -777\ntz = 0\nfields = timestamp Tair RH\n[DATA]\n"
        "2019-06-01T01:00 5.2 81\n2019-06-14T00:00 5.1 -777\n",
        "utf-8",
    ),
    "EddyPro": (
        "file_info,,,Met,\nfilename,date,time,Tair,RH\n,[yyyy-mm-dd],[HH:MM],[degC],[%]\n"
        "a.ghg,2019-06-01,01:00,5.2,81\nb.ghg,2019-06-14,00:00,5.1,-9999\n",
        "utf-8",
    ),
    "TOA5": (
        '"TOA5","X"\n"TIMESTAMP","Tair_Avg","RH_Smp"\n"TS","Deg C","%"\n"","Avg","Smp"\n'
        '"2019-06-01 01:00:00",5.2,81\n"2019-06-14 00:00:00",5.1,"NAN"\n',
        "utf-8",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_same_numbers_and_times_are_found_in_each_form(kind, tmp_path):
    text, encoding = FILES[kind]
    path = tmp_path / "table.txt"
    path.write_text(text, encoding=encoding)
    table = read_text_table(path)
    time = TimeSpec(name="Zeit") if "Zeit" in table.names else TimeSpec()
    clock = find_clock(table.names, time, "table")
    stamps = parse_clock(clock, [table.texts(name) for name in clock.columns], time, "table")
    np.testing.assert_array_equal(stamps, np.array(["2019-06-01T01:00", "2019-06-14T00:00"], "datetime64[s]"))
    air, humidity = (next(name for name in table.names if name.startswith(start)) for start in ("Tair", "RH"))
    assert table.numbers(air).tolist() == [5.2, 5.1]
    assert table.numbers(humidity)[0] == 81.0
    assert np.isnan(table.numbers(humidity)[1])


def test_headers_that_name_their_convention_say_what_a_stamp_is(tmp_path):
    labels = {}
    for kind in ("TOA5", "EddyPro", "SMET", "blanks"):
        path = tmp_path / f"{kind}.txt"
        path.write_text(FILES[kind][0], encoding=FILES[kind][1])
        labels[kind] = read_text_table(path).layout.label
    assert labels == {"TOA5": "end", "EddyPro": "end", "SMET": "end", "blanks": None}


def test_multipliers_and_offsets_of_smet_give_si_units(tmp_path):
    header = "SMET 1.1 ASCII\n[HEADER]\nnodata = -999\ntz = 1\nfields = timestamp TA RH\n"
    scales = "units_offset = 0 273.15 0\nunits_multiplier = 1 1 0.01\n[DATA]\n"
    (tmp_path / "x.smet").write_text(header + scales + "2019-06-01T00:00 -5 80\n2019-06-01T01:00 -999 90\n")
    table = read_text_table(tmp_path / "x.smet")
    np.testing.assert_allclose(table.numbers("TA"), [268.15, np.nan])
    np.testing.assert_allclose(table.numbers("RH"), [0.8, 0.9])
    assert (table.layout.utc_offset, table.layout.units["TA"]) == (1.0, "K")


def test_columns_of_a_file_without_a_header_are_named(tmp_path):
    (tmp_path / "fsm.txt").write_text("2019 6 1 1 5.2\n2019 6 1 2 5.1\n")
    with pytest.raises(TableError, match="no line of names before the data, which begin in line 1 with 5 columns"):
        read_text_table(tmp_path / "fsm.txt")
    names = ("year", "month", "day", "hour", "Ta")
    assert read_text_table(tmp_path / "fsm.txt", TextOptions(columns=names)).numbers("Ta").tolist() == [5.2, 5.1]
    with pytest.raises(TableError, match="has 5 columns, but columns names 2"):
        read_text_table(tmp_path / "fsm.txt", TextOptions(columns=("time", "Ta")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x00\x01\x02", "not a text file"),
        (b"", "the file is empty"),
        (b"<html><body>Sign in</body></html>\n", "no table of numbers is found in it; it begins with '<html>"),
    ],
)
def test_what_is_no_table_is_called_what_it_is(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(TableError, match=message):
        read_text_table(tmp_path / "x.csv")


def test_dates_that_read_one_way_only_need_no_format():
    def days(*texts: str, **options) -> list[str]:
        return [str(day)[:10] for day in parse_times(texts, TimeSpec(**options), "date")]

    assert days("01/11/2015", "13/11/2015") == ["2015-11-01", "2015-11-13"]
    assert days("01/11/2015", "01/13/2015") == ["2015-01-11", "2015-01-13"]
    assert days("01/11/2015", format="month-first") == ["2015-01-11"]
    assert days("05-Jan-2015", "06-Jan-2015") == ["2015-01-05", "2015-01-06"]
    with pytest.raises(TableError, match="reads as day or as month first"):
        days("01.11.2015", "01.12.2015")


def test_local_times_of_a_zone_follow_its_summer_time():
    zone = TimeSpec(zone="Europe/Zurich")
    hours = parse_times(["2019-03-31 01:30", "2019-03-31 03:00"], zone, "time")
    assert [str(hour)[11:16] for hour in hours] == ["00:30", "01:00"]
    with pytest.raises(TableError, match="needs forcing"):
        parse_times(["2019-03-31 01:30", "2019-03-31 02:30"], zone, "time")
