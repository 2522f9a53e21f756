"""Rewrites of the float graph: one idea per file, each a frozen dataclass called on a graph."""
