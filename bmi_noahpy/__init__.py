"""NoahPy as a component of modelling frameworks, and as a program: configuration, files, the Basic Model Interface."""

from bmi_noahpy.bmi import BmiNoahPy

__all__ = ["BmiNoahPy"]
