"""Which parameter matters for which depth and season."""
