"""The conservative column: surface, layered snow and soil exchange heat as one system, and no store gains by it."""
