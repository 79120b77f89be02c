"""LLVM functions every kernel uses: elementary ones, and access to the caller's memory by blocks of columns."""

from __future__ import annotations

from noahpy_core.compiled.emit.function_text import NumberType
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.mathematics import BASIC, OF_NETWORKS


def support(target: CodeTarget, body: str) -> str:
    """Definitions and attributes that come before a kernel of a body."""
    kinds = {target.column, target.layers}
    functions = dict(BASIC)
    if any(f" @{name}." in body for name in OF_NETWORKS):
        functions |= OF_NETWORKS
    texts = [function(kind) for kind in sorted(kinds, key=lambda k: k.lanes) for function in functions.values()]
    for kind in sorted(kinds, key=lambda k: k.lanes):
        t = kind.text
        for name in ("fabs", "sqrt", "trunc"):
            texts.append(f"declare {t} @llvm.{name}.{kind.suffix}({t})")
        texts.append(f"declare {t} @llvm.fmuladd.{kind.suffix}({t}, {t}, {t})")
    texts.append(_access(target.column, target.size))
    # Else LLVM may think narrower vectors faster on this processor, and cut ours in two.
    width = (target.columns if target.columns > 1 else target.lanes) * target.size * 8
    texts.append(f'attributes #0 = {{ "prefer-vector-width"="{width}" "min-legal-vector-width"="{width}" }}')
    return "\n\n".join(texts)


def _access(kind: NumberType, size: int) -> str:
    """fetch, deliver, add_to and note_failures: the last block of columns may not be full."""
    t, n, w = kind.text, kind.name, kind.lanes
    if w == 1:
        return f"""
define internal {t} @fetch(ptr %p, i64 %between, i64 %remaining) alwaysinline {{
entry:
  %none = icmp eq ptr %p, null
  br i1 %none, label %zero, label %some
some:
  %x = load {t}, ptr %p, align {size}
  ret {t} %x
zero:
  ret {t} 0.0
}}
define internal void @deliver(ptr %p, {t} %x, i64 %remaining) alwaysinline {{
  store {t} %x, ptr %p, align {size}
  ret void
}}
define internal void @add_to(ptr %p, {t} %x, i64 %remaining) alwaysinline {{
  %old = load {t}, ptr %p, align {size}
  %new = fadd {t} %old, %x
  store {t} %new, ptr %p, align {size}
  ret void
}}
define internal void @note_failures(ptr %p, i64 %fulfilled, i64 %step, i64 %remaining) noinline {{
entry:
  %old = load i64, ptr %p, align 8
  %fresh = icmp slt i64 %old, 0
  %failed = icmp eq i64 %fulfilled, 0
  %both = and i1 %fresh, %failed
  %new = select i1 %both, i64 %step, i64 %old
  store i64 %new, ptr %p, align 8
  ret void
}}"""
    # Lanes beyond the last column belong to nobody: they are read as the last column, and not written.
    last = """
  %more = icmp slt i64 %next, %limit
  br i1 %more, label %lane, label %done
done:
  ret void"""
    head = f"""
entry:
  %full = icmp sge i64 %remaining, {w}
  br i1 %full, label %whole, label %part
part:
  %short = icmp slt i64 %remaining, {w}
  %limit = select i1 %short, i64 %remaining, i64 {w}
  br label %lane
lane:
  %k = phi i64 [ 0, %part ], [ %next, %lane ]
  %at = getelementptr {n}, ptr %p, i64 %k
  %member = extractelement {t} %x, i64 %k
  %next = add i64 %k, 1"""
    return f"""
define internal {t} @fetch(ptr %p, i64 %between, i64 %remaining) noinline #0 {{
entry:
  %none = icmp eq ptr %p, null
  br i1 %none, label %zero, label %some
zero:
  ret {t} zeroinitializer
some:
  %same = icmp eq i64 %between, 0
  br i1 %same, label %one, label %several
one:
  %single = load {n}, ptr %p, align {size}
  %put = insertelement {t} poison, {n} %single, i32 0
  %spread = shufflevector {t} %put, {t} poison, <{w} x i32> zeroinitializer
  ret {t} %spread
several:
  %full = icmp sge i64 %remaining, {w}
  %dense = icmp eq i64 %between, 1
  %easy = and i1 %full, %dense
  br i1 %easy, label %whole, label %part
whole:
  %x = load {t}, ptr %p, align {size}
  ret {t} %x
part:
  %last = sub i64 %remaining, 1
  br label %lane
lane:
  %k = phi i64 [ 0, %part ], [ %next, %lane ]
  %v = phi {t} [ zeroinitializer, %part ], [ %more, %lane ]
  %beyond = icmp sgt i64 %k, %last
  %column = select i1 %beyond, i64 %last, i64 %k
  %offset = mul i64 %column, %between
  %at = getelementptr {n}, ptr %p, i64 %offset
  %member = load {n}, ptr %at, align {size}
  %more = insertelement {t} %v, {n} %member, i64 %k
  %next = add i64 %k, 1
  %again = icmp slt i64 %next, {w}
  br i1 %again, label %lane, label %done
done:
  ret {t} %more
}}
define internal void @deliver(ptr %p, {t} %x, i64 %remaining) noinline #0 {{{head}
  store {n} %member, ptr %at, align {size}{last}
whole:
  store {t} %x, ptr %p, align {size}
  ret void
}}
define internal void @add_to(ptr %p, {t} %x, i64 %remaining) noinline #0 {{{head}
  %old = load {n}, ptr %at, align {size}
  %new = fadd {n} %old, %member
  store {n} %new, ptr %at, align {size}{last}
whole:
  %all = load {t}, ptr %p, align {size}
  %sum = fadd {t} %all, %x
  store {t} %sum, ptr %p, align {size}
  ret void
}}
define internal void @note_failures(ptr %p, <{w} x i64> %fulfilled, i64 %step, i64 %remaining) noinline #0 {{
entry:
  %short = icmp slt i64 %remaining, {w}
  %limit = select i1 %short, i64 %remaining, i64 {w}
  br label %lane
lane:
  %k = phi i64 [ 0, %entry ], [ %next, %lane ]
  %at = getelementptr i64, ptr %p, i64 %k
  %good = extractelement <{w} x i64> %fulfilled, i64 %k
  %old = load i64, ptr %at, align 8
  %fresh = icmp slt i64 %old, 0
  %failed = icmp eq i64 %good, 0
  %both = and i1 %fresh, %failed
  %new = select i1 %both, i64 %step, i64 %old
  store i64 %new, ptr %at, align 8
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %limit
  br i1 %more, label %lane, label %done
done:
  ret void
}}"""
