"""How well a simulated series fits an observed one."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of the pairs in which both values are present.

    Parameters
    ----------
    nse : Nash-Sutcliffe efficiency. [1]
    kge : Kling-Gupta efficiency. [1]
    rmse : Root mean square error, in the unit of the series.
    bias : Mean of simulated minus observed, in the unit of the series.
    count : Number of pairs.
    """

    nse: float
    kge: float
    rmse: float
    bias: float
    count: int


def scores(simulated: Array, observed: Array) -> Scores:
    """Scores of a simulation; NaN where one is not defined (no pairs, or no variation of the observations).

    Notes
    -----
    KGE weighs correlation, ratio of standard deviations and ratio of means [1]_. The ratio of means depends on the zero
    of the unit: give temperatures in kelvin.

    References
    ----------
    .. [1] Gupta, H. V., Kling, H., Yilmaz, K. K., and Martinez, G. F., 2009, Journal of Hydrology,
       doi:10.1016/j.jhydrol.2009.08.003
    """
    both = np.isfinite(simulated) & np.isfinite(observed)
    model, truth = simulated[both], observed[both]
    if model.size == 0:
        return Scores(np.nan, np.nan, np.nan, np.nan, 0)
    error = model - truth
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return Scores(
        nse=1.0 - float(np.sum(error**2)) / spread if spread > 0.0 else np.nan,
        kge=_kling_gupta(model, truth),
        rmse=float(np.sqrt(np.mean(error**2))),
        bias=float(error.mean()),
        count=int(model.size),
    )


def _kling_gupta(model: Array, truth: Array) -> float:
    if model.std() == 0.0 or truth.std() == 0.0 or truth.mean() == 0.0:
        return float("nan")
    correlation = float(np.corrcoef(model, truth)[0, 1])
    variability = float(model.std() / truth.std())
    bias = float(model.mean() / truth.mean())
    return 1.0 - float(np.sqrt((correlation - 1.0) ** 2 + (variability - 1.0) ** 2 + (bias - 1.0) ** 2))
