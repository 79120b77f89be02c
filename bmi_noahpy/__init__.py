"""NoahPy as a component of modelling frameworks, and as a program: configuration, files, the Basic Model Interface."""

from bmi_noahpy.component.bmi import BmiNoahPy

__all__ = ["BmiNoahPy"]
