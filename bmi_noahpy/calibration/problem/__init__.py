"""The misfit of a run as a function of unknowns."""
