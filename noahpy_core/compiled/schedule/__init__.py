"""In what order the nodes of a graph are computed, and which need not be."""
