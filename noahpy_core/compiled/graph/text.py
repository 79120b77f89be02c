"""A graph as text, to be read by whoever follows a step into its kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from noahpy_core.compiled.graph.graph import Loop, Node


def graph_text(nodes: Iterable[Node], results: Mapping[str, Node]) -> Iterator[str]:
    """A line for each node: number, layers, operation, operands, and the function of the physics it comes from.

    Parameters
    ----------
    nodes : In order, operands first.
    results : Nodes that leave the step, by name; they come last.
    """
    for node in nodes:
        yield from _line(node)
    for name, node in results.items():
        yield f"{name} = %{node.number}"


def _line(node: Node) -> Iterator[str]:
    layers = f"[{node.length}]" if node.length else ""
    given = [f"%{arg.number}" for arg in node.args]
    if node.op == "result":
        loop, which = node.attribute[0], node.attribute[1:]
        given += [str(loop), *map(str, which)]
        if which == (0,):
            yield from _loop(loop)
    elif node.is_constant:
        given.append(repr(node.attribute[0]))
    elif node.op == "input":
        source, _ = node.attribute
        given.append(".".join(map(str, source)))
    elif node.attribute is not None:
        given.append(str(node.attribute))
    text = f"%{node.number}{layers} = {node.op} {' '.join(given)}".rstrip()
    yield f"{text:<60}; {node.origin}" if node.origin else text


def _loop(loop: Loop) -> Iterator[str]:
    """What a loop starts from, carries and ends its rounds with; its body is among the nodes."""
    starts, carried, final = (
        " ".join(f"%{node.number}" for node in nodes) for nodes in (loop.initial, loop.carried, loop.final)
    )
    yield f"{loop}: at most {loop.limit} rounds from {starts}"
    yield f"  carries {carried}"
    yield f"  becomes {final}"
