"""Whole time steps, each an order in which the parts of the model are solved."""
