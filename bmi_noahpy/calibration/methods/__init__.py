"""Optimisation methods."""
