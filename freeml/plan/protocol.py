"""Every offset, size and number that generated C, runtime and Python share: `fml_runtime.h`, `fml_exits.h` and
`fml_board_window.h`.

The one place in Python. `tests/plan/test_protocol.py` has a C compiler compare each name with its twin in the headers.
"""

from __future__ import annotations

# The image in NVM: identity, commit record, two results, two partial sums, arena.
LAYOUT_VERSION = 3
MAGIC = 0x6D66
IDENTITY = 0
IDENTITY_BYTES = 12  # digest, digest, layout version, magic
IDENTITY_VERSION = 8
IDENTITY_MAGIC = 10
COMMIT = 16
COMMIT_WORD_BYTES = 2  # of the record where there is one slot
COMMIT_SLOT_BYTES = 8  # of one of two slots: a word with the step, and its complement
RESULTS = 32
RESULT_SLOT_BYTES = 32  # of each result: a record, and room for the state of a policy
RECORD_BYTES = 12  # without state
RECORD_CHECKED = 4  # where the bytes begin that its CRC is of: the rest of the record, and the state
STATE_BYTES = 20  # at most
EXITS_STATE_BYTES = 4  # of a policy of exits: the digest of its table
SUMS = 96
PARTIAL_BYTES = 4  # one int32 sum
ARENA = 104

CHUNK_BYTES = 64  # at most so many are written between two barriers

# What the steps of a row of a model's table do (step_table.py has the table).
CAPTURE = 0
TILES = 1
DECIDE = 2
PUBLISH = 3
REPORT = 4
ROW_BYTES = 36  # of the table, at most

# Most steps of a model by its commit record: their numbers in so many bits.
MAX_WORD_STEPS = 1 << 15
MAX_CHECKED_WORD_STEPS = 1 << 12  # which leaves three of a word for a check
MAX_SLOT_STEPS = 1 << 29

# Status of a step, and of a board's report.
PUBLISHED = 1
REFINED = 2
BOARD_PIECE = 100

WINDOW_VALID = 0x5AC3  # word of the sample window with piece 0
