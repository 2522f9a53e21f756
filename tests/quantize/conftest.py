"""Makes the random networks of tests/builder and tests/plan importable here."""

from __future__ import annotations

import sys
from pathlib import Path

for _folder in ("builder", "plan"):
    _path = str(Path(__file__).resolve().parents[1] / _folder)
    if _path not in sys.path:
        sys.path.append(_path)
