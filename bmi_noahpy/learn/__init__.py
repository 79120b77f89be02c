"""Training of learned schemes and parameters through the model: the loop, its checkpoints, and files a run reads."""

from bmi_noahpy.learn.files import write_parameter_map, write_weights
from bmi_noahpy.learn.training import Losses, TrainingError, TrainingWarning, train

__all__ = ["Losses", "TrainingError", "TrainingWarning", "train", "write_parameter_map", "write_weights"]
