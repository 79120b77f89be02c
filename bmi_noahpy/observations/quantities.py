"""What can be observed: quantities by the names of output files, and how figures group and label them."""

FIGURES = {
    "soil_temperature": ("soil_temperature",),
    "soil_water": ("soil_liquid_water", "soil_moisture"),
    "snow": ("snow_depth", "snow_water_equivalent"),
    "surface": (
        "skin_temperature",
        "albedo",
        "net_radiation",
        "sensible_heat_flux",
        "latent_heat_flux",
        "ground_heat_flux",
    ),
}
"""Name of a figure -> the variables it shows."""

LABELS = {
    "soil_temperature": "[°C]",
    "soil_liquid_water": "[m³ m⁻³]",
    "soil_moisture": "[m³ m⁻³]",
    "snow_depth": "[m]",
    "snow_water_equivalent": "[kg m⁻²]",
    "skin_temperature": "[°C]",
    "albedo": "[1]",
    "net_radiation": "[W m⁻²]",
    "sensible_heat_flux": "[W m⁻²]",
    "latent_heat_flux": "[W m⁻²]",
    "ground_heat_flux": "[W m⁻²]",
}
"""Quantity -> its unit on an axis."""

QUANTITIES = tuple(name for names in FIGURES.values() for name in names)
"""What observations may be of."""

CELSIUS = ("soil_temperature", "skin_temperature")
"""Quantities that figures show in degrees Celsius."""
