"""The programs in the README run as they stand, beside the files that `noahpy run` writes."""

import re
from pathlib import Path

import pytest

from bmi_noahpy.example import write_example

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def beside_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_example("noahpy-example")
    # A hundred steps are enough to see that the program of the component runs.
    text = re.sub(r"end: [^,}\n]*", "end: '2019-09-13T12:00'", path.read_text(encoding="utf-8"), count=1)
    path.with_name("short.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_ten_lines_print_a_gradient(beside_the_example, capsys):
    exec(compile(PROGRAMS[0], "README", "exec"), {})
    assert "tensor([" in capsys.readouterr().out


def test_the_component_is_stepped_to_its_end(beside_the_example):
    names = {}
    program = PROGRAMS[1].replace('"site.yaml"', '"noahpy-example/short.yaml"')
    assert program != PROGRAMS[1]
    exec(compile(program, "README", "exec"), names)
    assert names["temperature"].shape == (20,)


def test_the_pages_that_the_readme_links_exist():
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []
    assert len(targets) > 10
