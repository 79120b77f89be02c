"""Physical constants as Noah uses them: plain floats.

Noah carries several values of the same constant; where the difference reaches the results, each has its own name here
and is used where the reference uses it.
"""

FREEZING_POINT = 273.15
"""Melting temperature of ice. [K]"""
STEFAN_BOLTZMANN = 5.67e-8
"""[W m-2 K-4]"""
VON_KARMAN = 0.4
GRAVITY = 9.81
"""[m s-2]"""

GAS_CONSTANT_DRY_AIR = 287.04
"""[J kg-1 K-1]"""
HEAT_CAPACITY_AIR = 1004.5
"""Specific heat of air at constant pressure, 7/2 of 287, in the sensible heat flux reported. [J kg-1 K-1]"""
HEAT_CAPACITY_AIR_PENMAN = 1004.6
"""The same in the surface energy balance. [J kg-1 K-1]"""

GAS_CONSTANT_VAPOUR = 461.0
"""[J kg-1 K-1]"""
VAPOUR_RATIO = 0.622
"""Gas constant of dry air over that of vapour."""
SATURATION_PRESSURE = 611.0
"""Of vapour at the melting point. [Pa]"""

LATENT_HEAT_VAPORISATION = 2.501e6
"""[J kg-1]"""
LATENT_HEAT_SUBLIMATION = 2.83e6
"""[J kg-1]"""
LATENT_HEAT_FUSION = 3.335e5
"""[J kg-1]"""

WATER_DENSITY = 1000.0
"""[kg m-3]"""
SPECIFIC_HEAT_WATER = 4.218e3
"""Of rain. [J kg-1 K-1]"""
SPECIFIC_HEAT_ICE = 2.106e3
"""Of falling snow. [J kg-1 K-1]"""

HEAT_CAPACITY_SOIL_WATER = 4.2e6
"""[J m-3 K-1]"""
HEAT_CAPACITY_SOIL_ICE = 2.106e6
"""[J m-3 K-1]"""
WATER_HEAT = HEAT_CAPACITY_SOIL_WATER / WATER_DENSITY
"""Specific heat of liquid water by that of the soil's. [J kg-1 K-1]"""
HEAT_CAPACITY_SOIL_AIR = 1004.0
"""[J m-3 K-1]"""

MINIMUM_MOISTURE = 0.02
"""Smallest total soil water Noah allows; water it creates is booked as a numerical source. [m3 m-3]"""
GHOST_MASS = 1.0e-6
"""Snow added where a quotient of stores is taken, so that an empty pack has a density and a temperature. [kg m-2]"""
