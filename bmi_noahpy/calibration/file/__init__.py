"""Calibration files: their sections, and checks between them."""
