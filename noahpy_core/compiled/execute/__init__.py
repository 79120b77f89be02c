"""Machine code made, kept and called on tensors: steps, runs and their derivatives."""
