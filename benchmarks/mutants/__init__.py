"""Mistakes seeded one at a time, and whether the checks of the project notice: python -m benchmarks.mutants."""
