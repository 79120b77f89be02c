"""Who may import whom: the contracts of pyproject.toml."""

from pathlib import Path

from importlinter.cli import lint_imports

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_module_imports_only_from_below_and_in_no_circle(capfd):
    status = lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), no_cache=True)
    assert status == 0, capfd.readouterr().out
