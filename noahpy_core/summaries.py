"""What classes say of themselves, read from their source, so that nothing is imported to list them."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
from collections.abc import Mapping


def summary(module: str, name: str) -> str:
    """First line of the docstring of a class, without its full stop.

    Parameters
    ----------
    module : Dotted name of the module that the class is written in.
    name : Of the class.
    """
    text = _documented(module).get(name)
    if text is None:
        # No source at hand, as in a program that was packed.
        text = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    return text.partition("\n")[0].rstrip(".")


@functools.cache
def _documented(module: str) -> Mapping[str, str]:
    """Docstrings of the classes of a module, as far as there is a source to read them in."""
    spec = importlib.util.find_spec(module)
    get_source = getattr(None if spec is None else spec.loader, "get_source", None)
    source = None if get_source is None else get_source(module)
    if source is None:
        return {}
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: text for node in classes if (text := ast.get_docstring(node)) is not None}
