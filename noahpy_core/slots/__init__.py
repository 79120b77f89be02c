"""The slots of the model, one module each: what stands there is given, returns, and is held to.

A slot is one module of this package, ending in its `SLOT`, and one line of `noahpy_core.options.Options`. The order
there is that in which schemes are built: one that another uses comes before it. Only `surface_balance`, whose schemes
are made of all the others, is in `noahpy_core.steps`.
"""
