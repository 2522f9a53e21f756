"""Float graphs as torch modules: the same numbers, trained, and back. Only frontend/torch imports torch, too.

Importing anything of it raises ToolMissing where torch is not installed.
"""

from importlib.util import find_spec

from freeml.errors import ToolMissing

if find_spec("torch") is None:
    raise ToolMissing("training needs torch", hint="pip install 'freeml[compress]'")
