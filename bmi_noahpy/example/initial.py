"""The state of the example on 1 September, after the same two years again and again in the schemes of a preset."""

from __future__ import annotations

from typing import Any

CONSERVATIVE: dict[str, Any] = {
    "soil_temperature": [
        275.45, 275.54, 275.92, 276.47, 276.71, 276.09, 274.5, 273.12, 272.65, 272.27,
        271.95, 271.76, 271.62, 271.51, 271.46, 271.44, 271.45, 271.47, 271.48, 271.46,
    ],
    "soil_moisture": [
        0.322, 0.324, 0.41, 0.415, 0.423, 0.439, 0.474, 0.413, 0.434, 0.434,
        0.434, 0.259, 0.123, 0.092, 0.092, 0.094, 0.095, 0.096, 0.097, 0.26,
    ],
    "soil_liquid": "equilibrium",
    "skin_temperature": 276.01,
    "snow_depth": 0.0,
    "snow_water_equivalent": 0.0,
    "canopy_water": 0.0,
    "albedo": 0.17,
    "roughness_length": 0.1,
}  # fmt: skip

NOAH: dict[str, Any] = {
    "soil_temperature": [
        276.0, 276.64, 277.16, 277.83, 278.23, 277.82, 276.32, 274.52, 272.96, 272.29,
        271.78, 271.43, 271.1, 270.86, 270.7, 270.74, 270.82, 270.92, 271.01, 271.04,
    ],
    "soil_moisture": [
        0.239, 0.24, 0.241, 0.241, 0.24, 0.234, 0.226, 0.22, 0.43, 0.43,
        0.43, 0.098, 0.098, 0.091, 0.092, 0.094, 0.095, 0.096, 0.097, 0.26,
    ],
    "soil_liquid": [
        0.239, 0.24, 0.241, 0.241, 0.24, 0.234, 0.226, 0.22, 0.222, 0.173,
        0.159, 0.045, 0.035, 0.023, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02,
    ],
    "skin_temperature": 276.57,
    "snow_depth": 0.0,
    "snow_water_equivalent": 0.0,
    "canopy_water": 0.0,
    "albedo": 0.18,
    "roughness_length": 0.1,
}  # fmt: skip


def initial_state(preset: str) -> dict[str, Any]:
    """The section `initial` for a preset: that of the conservative column, or that of Noah's schemes."""
    return dict(CONSERVATIVE if preset == "conservative" else NOAH)
