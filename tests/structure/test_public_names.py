"""What is public: the names in `__all__` of the two packages and of the namespaces that these list, nothing deeper."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import bmi_noahpy
import noahpy_core

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("bmi_noahpy", "noahpy_core")
PYTHON_BLOCK = re.compile(r"^```\{?(?:python|code-cell python|code-cell ipython3)\}?[^\n]*\n(.*?)^```", re.M | re.S)
PATH_IN_TEXT = re.compile(r"\b(?:bmi_noahpy|noahpy_core)\.[A-Za-z_][\w.]*|\b(?:bmi_noahpy|noahpy_core)[\w.]*:\w+")
ENDINGS = {"toml", "yaml", "yml", "py", "md", "csv", "txt", "git", "nc"}
NOT_IN_ALL = {"bmi_noahpy.NoahPy"}
"""Public where a package that is no dependency is installed."""


def public_names() -> set[str]:
    names = set(PACKAGES)
    for package in (bmi_noahpy, noahpy_core):
        for name in package.__all__:
            names.add(f"{package.__name__}.{name}")
            value = getattr(package, name)
            if isinstance(value, ModuleType):
                names |= {f"{value.__name__}.{inner}" for inner in value.__all__}
    return names | NOT_IN_ALL


PUBLIC = public_names()


def imported(source: str) -> set[str]:
    """Dotted names of our packages that a program imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def named(text: str) -> set[str]:
    """Dotted names of our packages in a text, those of Python files aside."""
    found = {name.replace(":", ".").rstrip(".") for name in PATH_IN_TEXT.findall(text)}
    return {name for name in found if name.rpartition(".")[2] not in ENDINGS}


def private(names: set[str]) -> set[str]:
    """Names that are not public, nor an attribute of a public class or function."""
    return {name for name in names if name not in PUBLIC and name.rpartition(".")[0] not in PUBLIC - set(PACKAGES)}


def files(*patterns: str) -> list[Path]:
    made = {"_build", "generated"}
    found = {path for pattern in patterns for path in REPOSITORY.glob(pattern)}
    return sorted(path for path in found if not made & set(path.parts))


@pytest.mark.parametrize("path", files("examples/*.py"), ids=lambda path: path.name)
def test_a_program_for_users_imports_public_names_only(path):
    assert private(imported(path.read_text(encoding="utf-8"))) == set()


PAGES = files("README.md", "docs/**/*.md", "examples/**/*.md", "meta/**/*.yaml", "examples/**/*.json", "CHANGELOG.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_page_for_users_names_public_names_only(path):
    if "explanation" in path.parts or "contributing" in path.name:
        pytest.skip("explains the inside to those who change it")
    text = path.read_text(encoding="utf-8")
    found = named(text)
    for block in PYTHON_BLOCK.findall(text):
        found |= imported(re.sub(r"^(%|!|:|---).*$", "", block, flags=re.M))
    assert private(found) == set()


def test_the_notebook_imports_public_names_only():
    for path in files("examples/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert private(imported(re.sub(r"^(%|!).*$", "", source, flags=re.M))) == set()


def test_the_entry_points_are_public_names():
    tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["scripts"], *project["entry-points"].values()]
    targets = {target.replace(":", ".") for group in groups for target in group.values()}
    assert targets
    assert private(targets) == set()


def test_the_pymt_metadata_name_the_component():
    api = yaml.safe_load((REPOSITORY / "meta/NoahPy/api.yaml").read_text(encoding="utf-8"))
    assert api["package"] == "noahpy"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_dir_lists_it(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert hasattr(module, name), name
    assert set(module.__all__) <= set(dir(module))


def test_what_type_checkers_see_is_what_is_loaded():
    tree = ast.parse(Path(bmi_noahpy.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: f"{node.module}.{alias.name}"
        for node in (*tree.body, *block.body)
        if isinstance(node, ast.ImportFrom) and node.module.startswith(("bmi_noahpy", "noahpy_core"))
        for alias in node.names
    }
    assert set(seen) == set(bmi_noahpy.__all__)
    for name, path in seen.items():
        module, _, attribute = path.rpartition(".")
        if module == "bmi_noahpy":
            assert getattr(bmi_noahpy, name) is importlib.import_module(path)
        else:
            assert getattr(bmi_noahpy, name) is getattr(importlib.import_module(module), attribute)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        bmi_noahpy.nonsense  # noqa: B018


def test_importing_bmi_noahpy_imports_nothing_heavy():
    program = "import sys, bmi_noahpy; print(sorted({'torch', 'pydantic', 'xarray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_both_packages_have_one_version():
    assert bmi_noahpy.__version__ == noahpy_core.__version__


def test_every_built_in_scheme_has_a_public_name():
    schemes = noahpy_core.schemes
    for slot, choices in schemes.SCHEMES.items():
        for scheme in choices.values():
            assert getattr(schemes, scheme.__name__) is scheme, slot
            assert scheme.__name__ in schemes.__all__
