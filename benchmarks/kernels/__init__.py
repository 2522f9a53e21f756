"""Kernel variants on emulated boards against the bars of other toolchains."""
