"""Files at the boundary of the program: who may write one, what may be written over, what may be read."""
