"""The gradient extension of the Basic Model Interface: derivatives through a component."""
