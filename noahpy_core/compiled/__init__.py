"""Compiled execution: the step of a model of built-in schemes as machine code, generated from the torch source.

`recorder` takes notes of one step as a graph of operations of one column, `derivative` extends it with the way back,
`schedule` and `code` turn it into LLVM code, `kernels` puts loops over time and columns around, `library` compiles and
keeps it, `program` calls it on tensors; `run` makes it a differentiable run, `step` the step of a coupler.
"""

from noahpy_core.compiled.case import NotCompiled, why_not_compiled
from noahpy_core.compiled.run import compiled_run
from noahpy_core.compiled.step import CompiledStep

__all__ = ["CompiledStep", "NotCompiled", "compiled_run", "why_not_compiled"]
