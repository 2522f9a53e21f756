"""Where the weights of an MSP430 board go: beyond 16-bit pointers as long as there is room.

Tables follow each other from the beginning of far memory; one that does not fit there any more goes to near memory. The
linker gives the addresses, to however many models one firmware has; here they are counted for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from freeml.board.memory import MemoryMap
from freeml.errors import DoesNotFit

SLICE_BYTES = 32_000  # at most: the size of a C object fits a 16-bit size_t, also as a difference of pointers


@dataclass
class FarLayout:
    """Addresses handed out so far. All are even."""

    memory: MemoryMap
    far_used_bytes: int = 0
    near_used_bytes: int = 0
    weights_bytes: int = field(default=0)

    def place(self, n_bytes: int) -> int:
        """The address of a table. `check` judges afterwards, with all of them."""
        room = n_bytes + n_bytes % 2
        self.weights_bytes += room
        if self.far_used_bytes + room <= self.memory.far_bytes:
            self.far_used_bytes += room
            return self.memory.far_base + self.far_used_bytes - room
        self.near_used_bytes += room
        return self.memory.flash_base + self.memory.flash_bytes - self.near_used_bytes

    def region_of(self, address: int) -> str:
        """ "far" or "near": what the section of a table begins with."""
        return "far" if self.memory.far_bytes and address >= self.memory.far_base else "near"

    def check(self, *, near_bytes: int) -> None:
        """Raise DoesNotFit where no firmware can hold it all.

        near_bytes: of constants and the NVM image. Code is not known yet: the build judges with it.
        """
        memory = self.memory
        hint = "choose a larger board or a smaller model"
        needed, available = near_bytes + self.near_used_bytes, memory.flash_bytes
        if needed <= available:
            return
        if self.near_used_bytes:
            available += memory.far_bytes
            needed = near_bytes + self.weights_bytes
            raise DoesNotFit(
                f"weights ({self.weights_bytes:,} bytes), other constants and the NVM image need {needed:,} bytes, the "
                f"board has {available:,}, of which {memory.far_bytes:,} are far and for weights only; no table is "
                "divided between the two",
                region="far",
                needed=needed,
                available=available,
                hint=hint,
            )
        raise DoesNotFit(
            f"constants other than weights and the NVM image need {needed:,} bytes of near memory, the board has "
            f"{available:,} within reach of 16-bit pointers",
            region="near",
            needed=needed,
            available=available,
            hint=hint,
        )
