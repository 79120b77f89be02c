"""The step, recorded from torch as a graph of operations of one column."""
