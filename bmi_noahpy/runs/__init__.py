"""Runs: prepared from a configuration, executed in blocks of steps, stopped and gone on with."""
