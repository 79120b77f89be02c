"""The error of what has no compiled form."""


class NotCompiled(ValueError):
    """A model, or a way of calling it, that has no compiled form."""
