"""Files that take the place of others while readers have these open."""

import os

import pytest

from bmi_noahpy import atomic


def refusing(times):
    """`os.replace` as Windows has it while a reader has the file open, for so many calls."""
    left, replace = [times], os.replace

    def refuse(source, target):
        if left[0] > 0:
            left[0] -= 1
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        replace(source, target)

    return refuse, left


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "out.nc"
    path.write_text("old")
    return path


def test_a_file_that_a_reader_has_open_on_windows_is_tried_again(file, monkeypatch):
    refuse, left = refusing(4)
    monkeypatch.setattr(atomic, "ON_WINDOWS", True)
    monkeypatch.setattr(atomic.os, "replace", refuse)
    with atomic.replaced(file) as partial:
        partial.write_text("new")
    assert (file.read_text(), left) == ("new", [0])


def test_a_file_that_stays_open_is_an_error_that_leaves_it_as_it_was(file, monkeypatch):
    refuse, _ = refusing(10**9)
    monkeypatch.setattr(atomic, "ON_WINDOWS", True)
    monkeypatch.setattr(atomic, "PATIENCE", 0.05)
    monkeypatch.setattr(atomic.os, "replace", refuse)
    with pytest.raises(PermissionError, match="used by another process"), atomic.replaced(file) as partial:
        partial.write_text("new")
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_elsewhere_a_refusal_is_one_for_good(file, monkeypatch):
    refuse, left = refusing(1)
    monkeypatch.setattr(atomic, "ON_WINDOWS", False)
    monkeypatch.setattr(atomic.os, "replace", refuse)
    with pytest.raises(PermissionError), atomic.replaced(file) as partial:
        partial.write_text("new")
    assert (file.read_text(), left) == ("old", [0])
