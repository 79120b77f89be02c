"""The slots of the model, one module each: what stands there is given, returns, and is held to.

A slot is one module of this package, ending in its `SLOT`, and one field of `noahpy_core.options.Options`, with the
names and places of its built-in schemes. The order there is that in which schemes are built: one that another uses
comes before it.
"""
