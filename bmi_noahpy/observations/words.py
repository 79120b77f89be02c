"""Words in names of columns that say that these are something else than their first words say."""

from __future__ import annotations

from collections.abc import Mapping

FLAGS = frozenset({"qc", "qa", "qf", "quality", "flag", "flags", "ssitc", "test"})
"""Words in the name of a column of flags, beside the name of the column that they are of."""
NOT_VALUES = FLAGS | frozenset({
    "n", "num", "count", "counts", "nsamples",
    "std", "stdev", "stddev", "sd", "sigma", "var", "variance", "cov", "se", "sem", "skew", "kurt", "range", "rng",
    "err", "error", "uncertainty", "unc", "randunc", "joinunc",
    "max", "min", "maximum", "minimum", "mx", "mn", "tmx", "tmn",
    "strg", "storage", "scf",
})  # fmt: skip
"""Words that make a column one of quality, spread, extremes or numbers of values, and not of the quantity."""
AIR = frozenset({"air", "atm", "atmosphere"})
CHANGES = frozenset({"change", "delta", "diff", "anomaly", "anom", "trend", "rate", "bias"})
MODELS = frozenset({"model", "modelled", "modeled", "mod", "sim", "simulated", "era", "era5", "forecast", "pred"})
WATER_PARTS = frozenset({
    "ice", "frozen", "sat", "saturation", "saturated", "deficit", "potential", "relative", "rel", "fc", "wp",
    "residual", "wilting", "capacity", "index",
})  # fmt: skip
PARTS: Mapping[str, frozenset[str]] = {
    "net_radiation": frozenset({"lw", "sw", "long", "short", "longwave", "shortwave", "par", "solar"}),
    "albedo": frozenset({"vis", "nir", "par", "direct", "diffuse", "dir", "dif", "bsa", "wsa", "spectral"}),
    "snow_depth": frozenset({"new", "fresh", "24h"}),
    "snow_water_equivalent": frozenset({"melt", "new", "fresh"}),
    "skin_temperature": AIR,
    "soil_liquid_water": WATER_PARTS,
    "soil_moisture": WATER_PARTS,
}
"""Quantity -> words that make a column a part of it, or another thing altogether."""
PLAIN_WORDS = frozenset({"f", "mds", "mean", "avg", "average", "obs", "observed", "daily", "hourly", "corr", "pi"})
"""Words that say nothing else of a quantity."""
NOT_SOIL = AIR | {"snow", "canopy", "leaf", "trunk", "stem", "bole", "skin"}
"""Words of what is no soil, where a name does not speak of soil."""
OF_UNITS = frozenset({
    "mj", "kj", "kw", "mw", "cal", "day", "hr", "hour", "ft", "feet", "in", "psi", "pa", "kpa", "hpa", "mbar", "bar",
    "umol", "mmol", "mol", "kg", "mv", "ohm", "ohms", "mm", "cm", "m2", "m3", "cm2", "cm3",
    "mm/d", "mm/day", "mj/m2",
})  # fmt: skip
"""Words of units."""
