"""`python -m freeml`: the same as the command `freeml`."""

from __future__ import annotations

import sys

from freeml.cli import main

if __name__ == "__main__":
    sys.exit(main())
