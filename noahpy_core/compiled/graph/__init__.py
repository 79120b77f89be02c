"""The graph of scalar operations of one column, and its derivative."""
