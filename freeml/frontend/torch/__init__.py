"""torch modules, exported programs and .pt2 files: `from_torch`, `read_pt2`, `from_constructor` in read.py."""
