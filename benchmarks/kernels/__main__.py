"""Kernels on emulated boards against their bars: python -m benchmarks.kernels [--json]

conv16: 16x16x16 -> 16 channels, 3x3, padding 1, int8; tiny CNN: as in benchmarks.tiny_cnn. Instructions are of a whole
crash-safe inference, the better of the compilers at hand. MSP430 figures are emulated cycles of an MSP430FR5994.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from benchmarks.command import command
from benchmarks.kernels import arm, msp430

MOST = {
    "conv16_m4_instructions": 1_230_000,
    "conv16_m0_instructions": 3_600_000,
    "tiny_cnn_m4_instructions": 460_000,
    "tiny_cnn_m4_code_bytes": 6_000,
    "conv_msp430_cycles_per_mac": 14.0,
    "dense_msp430_cycles_per_mac": 13.0,
}
LEAST = {"emulator_mips": 50.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    compiled = {name: measure() for name, measure in arm.FIGURES.items()}
    figures = {
        "conv16_m4_instructions": arm.best(compiled["conv16_m4"]).instructions,
        "conv16_m0_instructions": arm.best(compiled["conv16_m0"]).instructions,
        "tiny_cnn_m4_instructions": arm.best(compiled["tiny_cnn_m4"]).instructions,
        "tiny_cnn_m4_code_bytes": arm.best(compiled["tiny_cnn_m4"]).code_bytes,
        "conv_msp430_cycles_per_mac": msp430.conv_cycles_per_mac(),
        "dense_msp430_cycles_per_mac": msp430.dense_cycles_per_mac(),
        "emulator_mips": msp430.emulator_mips(),
    }
    if as_json:
        by_compiler = {name: {key: asdict(one) for key, one in found.items()} for name, found in compiled.items()}
        print(json.dumps({**figures, "by_compiler": by_compiler}))
        return
    print(command(__file__), end="\n\n")
    for key, value in figures.items():
        bar = f"at most {MOST[key]:,}" if key in MOST else f"at least {LEAST[key]:,}"
        print(f"{key:28} {value:>12,} {bar:>20}")
    for name, found in compiled.items():
        for one in found.values():
            per_mac = f", {one.instructions / arm.CONV_MACS:.2f} per MAC" if name.startswith("conv16") else ""
            print(
                f"{name}: {one.instructions:,} instructions{per_mac}, {one.code_bytes:,} bytes of code, {one.compiler}"
            )


if __name__ == "__main__":
    main()
