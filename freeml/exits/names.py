"""What users ask for by name: kinds of heads, and policies as `freeml compile` and `tune` call them."""

from __future__ import annotations

from typing import Literal

Kind = Literal["gnet", "shared", "separate", "outputs"]
# Those that are trained, and how much the partial scores of the exits before count in each of them to begin with.
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
