"""What only lists, describes or checks answers without torch, whose import takes longer than everything else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bmi_noahpy.example import write_example

PROGRAM = """
import contextlib, io, json, sys
from bmi_noahpy.cli import app

imported = {}
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            app(arguments)
        except SystemExit as end:
            assert not end.code, (arguments, end.code)
    assert said.getvalue().strip(), arguments
    imported[" ".join(arguments)] = "torch" in sys.modules
print(json.dumps(imported))
"""


def commands_that_import_torch(commands: list[list[str]], folder: Path) -> list[str]:
    """Those of some commands, given one after the other to one process, after which torch is there."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], check=True, capture_output=True, text=True, cwd=folder
    )
    return [command for command, imported in json.loads(done.stdout.splitlines()[-1]).items() if imported]


def test_commands_that_compute_nothing_do_not_import_torch(tmp_path):
    listed = [["--version"], ["info"], ["schema"], ["init", "site.yaml"], ["init", "taiga.yaml", "--vegetation", "14"]]
    # Schemes of a preset are known to go together; others are built.
    checked = [["check", str(write_example(tmp_path / name, name))] for name in ("noah-permafrost", "conservative")]
    assert commands_that_import_torch([*listed, *checked], tmp_path) == []
