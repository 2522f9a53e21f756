"""The same sums each time: torch adds in an order that depends on its threads, and some of its algorithms on chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def fixed_arithmetic(threads: int = 1) -> Iterator[None]:
    """Torch with so many threads and with algorithms that give the same sums each time; as it was before, afterwards.

    Networks of this size gain little by threads, which also wait for each other where the machine has other work.
    """
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # its stub lacks the one attribute that it has
    filled = memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Memory that is written before it is read need not be filled first: that took a tenth of the time.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
        memory.fill_uninitialized_memory = filled
