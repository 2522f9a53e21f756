"""Every offset, size and number that generated C, runtime and Python share: `fml_runtime.h` and `fml_board_window.h`.

The one place in Python. `tests/plan/test_protocol.py` has a C compiler compare each name with its twin in the headers.
"""

from __future__ import annotations

# The image in NVM: identity, commit record, two results, two partial sums, arena.
LAYOUT_VERSION = 2
MAGIC = 0x6D66
IDENTITY = 0
IDENTITY_BYTES = 12  # digest, digest, layout version, magic
IDENTITY_VERSION = 8
IDENTITY_MAGIC = 10
COMMIT = 16
COMMIT_WORD_BYTES = 2  # of the record where there is one slot
COMMIT_SLOT_BYTES = 8  # of one of two slots: a word with the step, and its complement
RESULTS = 32
RECORD_BYTES = 12
RECORD_CHECKED_BYTES = 8  # by its CRC
SUMS = 56
PARTIAL_BYTES = 4  # one int32 sum
ARENA = 64

CHUNK_BYTES = 64  # at most so many are written between two barriers

# Tiles of a model by its commit record: steps up to n_tiles + 2 in so many bits.
MAX_WORD_TILES = 32_765  # in 15
MAX_CHECKED_WORD_TILES = 4_093  # in 12, which leaves three for a check

# Status of a step, and of a board's report.
PUBLISHED = 1
BOARD_PIECE = 100

WINDOW_VALID = 0x5AC3  # word of the sample window with piece 0

# Steps beside the tiles: capture before them, publication and report behind.
CAPTURE_STEP = 0
FIXED_STEPS = 3


def publish_step(n_tiles: int) -> int:
    """The step that publishes the result."""
    return n_tiles + 1


def report_step(n_tiles: int) -> int:
    """The step that reports the published result: the last one."""
    return n_tiles + 2
