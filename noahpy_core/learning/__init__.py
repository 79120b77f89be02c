"""Building blocks of learned schemes and parameters: networks between physical quantities, within bounds.

They are part of the core because a run with learned weights needs them as it needs any scheme; training, its
checkpoints and files are in `bmi_noahpy.learn`.
"""

from noahpy_core.learning.conductivity import LearnedThermalConductivity
from noahpy_core.learning.evaporation import LearnedEvaporation
from noahpy_core.learning.networks import BoundedNetwork
from noahpy_core.learning.parameters import ColumnParameters, LearnedParameter, ParameterNetwork, with_values

__all__ = [
    "BoundedNetwork",
    "ColumnParameters",
    "LearnedEvaporation",
    "LearnedParameter",
    "LearnedThermalConductivity",
    "ParameterNetwork",
    "with_values",
]
