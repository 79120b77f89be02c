"""The table at the end, the scalar reference, and which benchmarks wait to be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from reference import SoilReference, compiler
from report import Report
from timing import Action, seconds

REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmark-figure", help="Path of the figure of costs with columns, layers and steps.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = Report()
    # One table is enough: that of pytest-benchmark tells seconds of a round, whatever is in it.
    config.option.benchmark_quiet = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "million" not in config.option.keyword:
        for item in items:
            if "million" in item.name:
                item.add_marker(pytest.mark.skip(reason="takes 6 GB of memory: ask for it with -k million"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    report = config.stash[REPORT]
    if report.rows:
        terminalreporter.section("speed and memory")
        terminalreporter.write_line(report.text())


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    return pytestconfig.stash[REPORT]


@pytest.fixture(scope="session")
def soil_reference(tmp_path_factory: pytest.TempPathFactory) -> SoilReference | None:
    """None without a C compiler: ratios are then left out."""
    found = compiler()
    return SoilReference(tmp_path_factory.mktemp("reference"), found) if found else None


@pytest.fixture(scope="session")
def figure_path(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = pytestconfig.getoption("--benchmark-figure")
    return Path(chosen) if chosen else tmp_path_factory.mktemp("figure") / "scaling.png"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _beside_the_reference(report: Report, yardstick: tuple[Action, int] | None) -> None:
    """The quickest of many is what the machine does when nothing disturbs it, as with everything that is measured."""
    if yardstick is not None:
        report.references += [seconds(yardstick[0]) / yardstick[1] for _ in range(3)]


@pytest.fixture
def yardstick(soil_reference: SoilReference | None) -> tuple[Action, int] | None:
    """A piece of work of the reference, and its number of column-steps."""
    if soil_reference is None:
        return None
    reference = soil_reference
    return lambda: reference.run(1, 2000), 2000
