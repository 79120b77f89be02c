"""What a kernel of a graphics processor has instead of a loop over columns: one thread for each column.

The body is that of the code without vectors. A thread takes its column from its number, and its scratch memory lies in
the memory that every thread has to itself, which the hardware interleaves between threads.
"""

from __future__ import annotations

from noahpy_core.compiled.emit.access import support
from noahpy_core.compiled.emit.instructions import CodeTarget, Instructions

OWN = {"begin": "all.begin", "end": "all.end", "scratch": "all.scratch"}
"""Arguments that a thread replaces by its own, and what those of the caller are called."""
TRIPLE = "nvptx64-nvidia-cuda"


def begin(w: Instructions) -> None:
    """The column of the thread as a range of its own; a thread beyond the last column has nothing to do."""
    group, size, number = (w.put(f"call i32 @llvm.nvvm.read.ptx.sreg.{name}.x()") for name in ("ctaid", "ntid", "tid"))
    # Registers have 32 bits, places 64.
    wide = [w.put(f"zext i32 {value} to i64") for value in (group, size, number)]
    place = w.put(f"add i64 {w.put(f'mul i64 {wide[0]}, {wide[1]}')}, {wide[2]}")
    w.lines.append(f"  %begin = add i64 %all.begin, {place}")
    w.lines.append("  %end = add i64 %begin, 1")
    inside, outside = w.label("column"), w.label("none")
    w.do(f"br i1 {w.put('icmp slt i64 %begin, %all.end')}, label %{inside}, label %{outside}")
    w.begin(outside)
    w.do("ret void")
    w.begin(inside)


def module(target: CodeTarget, name: str, body: str, extent: int) -> str:
    """The text of a whole module around the body of a kernel that needs scratch memory for `extent` numbers."""
    registers = [f"declare i32 @llvm.nvvm.read.ptx.sreg.{part}.x()" for part in ("ctaid", "ntid", "tid")]
    memory = f"  %scratch = alloca [{extent} x {target.number}], align {target.size}"
    function = f"define ptx_kernel void @{name}(ptr %arguments) #0 {{\nentry:\n{memory}\n{body}\n  ret void\n}}"
    return "\n\n".join([f'target triple = "{TRIPLE}"', *registers, support(target, body), function])
