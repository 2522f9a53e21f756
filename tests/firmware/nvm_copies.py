"""What every driver of an NVM does: the bytes it is asked for at every alignment of both ends, a commit in one store.

Networks of the tests put their tiles at even addresses: what drivers do about others is seen by nobody else.
"""

from __future__ import annotations

from collections import Counter

from freeml.output.folder import Output
from freeml.sim.instruction import Emulator

COMMIT = 16  # FML_NVM_COMMIT of fml_runtime.h
BEFORE = "    fml_boot(&ram,"


def with_check(main: str, failed: str) -> str:
    """main.c with the check in front of the first boot. failed: the statement for a byte that is wrong."""
    assert main.count(BEFORE) == 1, "main.c has changed: this test would test nothing"
    check = f"""
    static uint8_t from[16], found[16];
    static const uint8_t zeros[16] = {{0}};
    for (uint8_t k = 0; k < 16; k++) {{
        from[k] = (uint8_t)(17u * k + 3u);
    }}
    for (uint16_t at = 0; at < 64; at++) {{
        const uint8_t to = at & 3u, source = at >> 2 & 3u, target = (uint8_t)(at >> 4);
        for (uint8_t n = 0; n < 10; n++) {{
            fml_hal_nvm_write(nvm.bytes, zeros, sizeof zeros);
            fml_hal_nvm_write(nvm.bytes + to, from + source, n);
            fml_hal_nvm_read(found, nvm.bytes, sizeof found);
            for (uint8_t k = 0; k < 16; k++) {{
                if (found[k] != (k >= to && k < to + n ? from[k - to + source] : 0)) {{
                    {failed}
                }}
                found[k] = 0xee;
            }}
            fml_hal_nvm_read(found + target, nvm.bytes + to, n);
            for (uint8_t k = 0; k < 16; k++) {{
                if (found[k] != (k >= target && k < target + n ? from[k - target + source] : 0xee)) {{
                    {failed}
                }}
            }}
        }}
    }}
"""
    return main.replace(BEFORE, check + BEFORE)


def assert_commits_are_words(engine: Emulator, output: Output) -> None:
    """A word written byte by byte is another commit between its stores, wherever step numbers have two bytes."""
    assert output.board.nvm.atomic_bytes == 2
    published, writes = engine.logged_writes()
    assert published
    lengths = Counter(len(write.data) for write in writes if write.offset_bytes == COMMIT)
    assert lengths[1] == 0
    assert lengths[2] >= output.manifest.tiles.n_tiles + 3  # cold start, capture, tiles, publication
    assert all(write.offset_bytes != COMMIT + 1 for write in writes)
