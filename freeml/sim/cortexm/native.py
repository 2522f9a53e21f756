"""The C side of the Cortex-M emulator: structures of cortexm_watch.h, and the library, compiled at first use."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from pathlib import Path
from typing import Any

from freeml.firmware.host import build_host_library

_HERE = Path(__file__).parent
_SOURCES = tuple(_HERE / f"cortexm_{name}.c" for name in ("alignment", "devices", "fram", "hook"))


def _structure(name: str, fields: tuple[tuple[str, Any], ...]) -> Any:
    return type(name, (ctypes.Structure,), {"_fields_": fields, "__doc__": f"{name} of cortexm_watch.h."})


def _of(kind: Any, names: str) -> tuple[tuple[str, Any], ...]:
    return tuple((name, kind) for name in names.split())


Counts: Any = _structure(
    "fml_counts_t",
    _of(ctypes.c_uint64, "instructions cycles nvm_stores nvm_bytes_written nvm_bytes_read nvm_commands"),
)
Register: Any = _structure(
    "fml_register_t",
    (
        *_of(ctypes.c_uint32, "address kind value reset writable"),
        *_of(ctypes.c_int32, "follow"),
        *_of(ctypes.c_uint32, "follow_mask"),
        *_of(ctypes.c_int32, "follow_shift gate"),
        *_of(ctypes.c_uint32, "gate_mask receive transmit busy"),
    ),
)
Required: Any = _structure("fml_required_t", _of(ctypes.c_uint32, "index mask value"))
Fram: Any = _structure(
    "fml_fram_t",
    (
        *_of(ctypes.c_void_p, "bytes"),
        *_of(ctypes.c_uint32, "n_bytes absent selected write_enabled opcode phase address power_up_cycles"),
        *_of(ctypes.c_uint64, "ready_at"),
    ),
)
SysTick: Any = _structure("fml_systick_t", (*_of(ctypes.c_uint32, "control reload"), *_of(ctypes.c_uint64, "zero_at")))
Devices: Any = _structure(
    "fml_devices_t",
    (
        *_of(ctypes.c_void_p, "registers"),
        *_of(ctypes.c_uint32, "n_registers"),
        *_of(ctypes.c_void_p, "required"),
        *_of(ctypes.c_uint32, "n_required select_register select_mask"),
        *_of(ctypes.c_uint32, "spi_divider_register spi_divider_kind spi_divider_shift byte_cycles received pending"),
        *_of(ctypes.c_uint64, "ready_at"),
        ("fram", Fram),
        ("systick", SysTick),
        *_of(ctypes.c_void_p, "sent"),
        *_of(ctypes.c_uint32, "sent_bytes sent_capacity"),
        *_of(ctypes.c_void_p, "incoming"),
        *_of(ctypes.c_uint32, "incoming_bytes incoming_at supply_mv reference_mv capacitor_mv"),
        *_of(ctypes.c_uint32, "capacitor_channel reference_channel adc_most converted fault_address fault"),
    ),
)
Watch: Any = _structure(
    "fml_watch_t",
    (
        ("total", Counts),
        ("at_report", Counts),
        *_of(ctypes.c_uint64, "budget block block_bytes next stop_at skip_once stopped"),
        *_of(ctypes.c_uint64, "report return_to reported status ready"),
        *_of(ctypes.c_uint64, "unaligned unaligned_address unchecked in_handler exception flash_base flash_bytes"),
        *_of(ctypes.c_void_p, "flash known checked costs"),
        *_of(ctypes.c_uint64, "refill_cycles"),
        *_of(ctypes.c_uint32, "is_v6m"),
        *_of(ctypes.c_uint64, "nvm_base"),
        *_of(ctypes.c_void_p, "log"),
        *_of(ctypes.c_uint64, "logged log_capacity devices_base system_base"),
        *_of(ctypes.c_void_p, "stop memory_read memory_write register_read register_write ask asked look"),
        *_of(ctypes.c_int32, "r0 lr xpsr pc"),
        ("devices", Devices),
    ),
)

FAULTS = (
    "",
    "no register that freeml has a model of",
    "its peripheral has no clock",
    "a write changes bits that freeml has no model of",
    "a byte is sent before the pins of the SPI are set up",
    "used while a byte is on its way",
    "a result without a conversion, or of a channel at which there is nothing",
    "an access of a width that the register does not take",
    "a byte is sent while no chip is selected",
    "the FRAM is selected before its power-up time is over",
)
"""fml_device_fault_t, in words."""


@functools.cache
def library() -> ctypes.CDLL:
    """The hooks and devices. Raises ToolMissing, ToolFailed."""
    with tempfile.TemporaryDirectory(prefix="freeml-hook-") as work:
        found = ctypes.CDLL(str(build_host_library(_SOURCES, [_HERE], Path(work) / "cortexm_hook.so")))
    found.fml_watch_settle.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    found.fml_watch_settle.restype = None
    found.fml_devices_reset.argtypes = [ctypes.c_void_p]
    found.fml_devices_reset.restype = None
    found.fml_aligned_base.argtypes = [ctypes.c_uint32, ctypes.c_uint32]
    found.fml_aligned_base.restype = ctypes.c_int
    found.fml_needs_alignment.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32]
    found.fml_needs_alignment.restype = ctypes.c_int
    found.fml_watch_bytes.restype = ctypes.c_size_t
    if found.fml_watch_bytes() != ctypes.sizeof(Watch):
        raise AssertionError("native.py and cortexm_watch.h differ")
    return found
