"""Networks of somebody else made small: `python -m benchmarks.compress NAME`."""
