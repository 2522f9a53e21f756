"""Samples for a firmware that replays them: firmware/samples.h (runtime_c/hal/msp430fr59xx/fml_hal_msp430.h)."""

from __future__ import annotations

from collections.abc import Sequence

from freeml.ir.types import Array

_ROW_ELEMS = 24


def samples_header(inputs: Sequence[Array]) -> str:
    """C with the int8 codes (N, *shape) of each input, in memory order."""
    n_samples = len(inputs[0])
    lines = [
        "/* Samples that the firmware infers on, one after the other, for ever. */",
        f"#define FML_REPLAY_SAMPLES {n_samples}u",
    ]
    for k, codes in enumerate(inputs):
        flat = codes.ravel().tolist()
        lines += ["", f"static const int8_t fml_replay_{k}[{len(flat)}] = {{"]
        lines += [
            "    " + ", ".join(str(code) for code in flat[start : start + _ROW_ELEMS]) + ","
            for start in range(0, len(flat), _ROW_ELEMS)
        ]
        lines += ["};"]
    names = ", ".join(f"fml_replay_{k}" for k in range(len(inputs)))
    sizes = ", ".join(f"{codes[0].size}u" for codes in inputs)
    lines += [
        "",
        f"static const int8_t *const fml_replay[{len(inputs)}] = {{{names}}};",
        f"static const uint16_t fml_replay_bytes[{len(inputs)}] = {{{sizes}}};",
    ]
    return "\n".join(lines) + "\n"
