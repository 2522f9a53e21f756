"""Pre-trained networks made small: layers separated, weights removed, retrained; on float graphs, through train/.

The package is a function, too: `freeml.compress(model, data, out, ...)` is `freeml.compression.compress_model`, which
compiles and measures what comes out. It lies above this package, and is looked up when it is called.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Function(ModuleType):
    """A module that can be called."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return importlib.import_module("freeml.compression").compress_model(*args, **options)


sys.modules[__name__].__class__ = _Function
