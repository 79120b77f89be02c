"""The page on the architecture names every room, so that it stays a map of the house."""

import pkgutil
import re
from pathlib import Path

import pytest

import bmi_noahpy
import noahpy_core

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "architecture.md"


@pytest.mark.parametrize("package", [bmi_noahpy, noahpy_core], ids=lambda package: package.__name__)
def test_the_page_on_the_architecture_names_every_room(package):
    named = set(re.findall(r"`([\w/]+?)/?`", PAGE.read_text(encoding="utf-8")))
    rooms = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert rooms - named == set()
