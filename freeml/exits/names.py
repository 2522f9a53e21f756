"""What users ask for by name: kinds of heads, and policies as `freeml compile` and `tune` call them."""

from __future__ import annotations

from typing import Literal

Kind = Literal["gnet", "shared", "separate", "outputs"]
# Those that are trained, and what training begins with: how much of an exit's partial scores counts one exit later, and
# as a power of that further on.
HEADS: dict[Kind, float] = {"shared": 0.0, "gnet": 1.0, "separate": 0.0}

# Of each policy, what may stand behind its name.
POLICIES = {
    "fixed": ":K",
    "global": "[:SHARE]",
    "searched": "",
    "heuristic": "",
    "entropy": "[:BITS]",
    "energy": "",
    "confident-or-energy": "",
    "deadline": ":MS",
    "confident-or-deadline": ":MS",
}


def policies_in_words() -> str:
    """As help texts list them."""
    return ", ".join(name + behind for name, behind in POLICIES.items())
