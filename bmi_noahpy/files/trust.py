"""Whether code that a configuration names is run."""

from __future__ import annotations

from contextvars import ContextVar

own_code: ContextVar[bool] = ContextVar("own_code", default=True)
"""Whether classes named in a configuration are imported: False where configurations come from others."""
