"""Observed series from files, simulated series that belong to them, and scores."""
