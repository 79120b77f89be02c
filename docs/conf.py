"""Configuration of the documentation site: ``sphinx-build -W docs docs/_build/html``."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generated_pages  # noqa: E402 - lies beside this file

import noahpy_core  # noqa: E402

project = "NoahPy"
author = "the NoahPy developers"
copyright = f"2026, {author}"
release = version = noahpy_core.__version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "reference/generated"]
# Commands in tutorials are those of this environment, in lines of a page.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["COLUMNS"] = "110"
# A kernel asks for colours, whose codes the pages would show.
os.environ["TTY_COMPATIBLE"] = "0"

html_theme = "furo"
html_title = f"NoahPy {release}"

# Single backticks in docstrings are code.
default_role = "code"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "amsmath"]
myst_heading_anchors = 4
suppress_warnings = ["mystnb.unknown_mime_type"]

numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

# Tutorials run when the site is built, each in a fresh folder, with one thread; an error in one fails the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_merge_streams = True
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))


def setup(app: object) -> None:
    """Write the pages that are made from the code itself, before Sphinx looks for pages."""
    generated_pages.write_all(HERE / "reference" / "generated")
