"""Makes the random networks of tests/builder importable here."""

from __future__ import annotations

import sys
from pathlib import Path

_path = str(Path(__file__).resolve().parents[1] / "builder")
if _path not in sys.path:
    sys.path.append(_path)
