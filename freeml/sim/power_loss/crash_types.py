"""Structures of the crash explorer and of a model, as C lays them out: `runtime_c/test/crash.h` and `fml_runtime.h`."""

from __future__ import annotations

import ctypes

MOST_FAULTS = 65  # CRASH_MOST_FAULTS


class COptions(ctypes.Structure):
    """crash_options_t."""

    _fields_ = (
        ("behaviour", ctypes.c_uint8),
        ("unit_bytes", ctypes.c_uint8),
        ("start", ctypes.c_uint8),
        ("memoise", ctypes.c_uint8),
        ("any_write", ctypes.c_uint8),
        ("adversary", ctypes.c_uint8),
        ("max_torn", ctypes.c_uint8),
        ("n_inferences", ctypes.c_uint32),
        ("branches", ctypes.c_uint32),
        ("seed", ctypes.c_uint32),
        ("limit_s", ctypes.c_double),
        ("stop_progress", ctypes.c_uint64),
        ("image", ctypes.c_char_p),
    )


class CReport(ctypes.Structure):
    """crash_report_t."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("images", "writes", "boots", "commits", "segments")),
        ("divergences", ctypes.c_uint32),
        ("closed", ctypes.c_uint32),
        ("seconds", ctypes.c_double),
        ("reason", ctypes.c_char * 160),
        ("schedule", ctypes.c_char * 2048),
    )


class CLayer(ctypes.Structure):
    """crash_layer_t."""

    _fields_ = (
        ("images", ctypes.c_uint64),
        ("writes", ctypes.c_uint64),
        ("segments", ctypes.c_uint32),
        ("closed", ctypes.c_uint32),
    )


class CFault(ctypes.Structure):
    """crash_fault_t."""

    _fields_ = (("ago", ctypes.c_uint8), ("is_garbage", ctypes.c_uint8), ("value", ctypes.c_uint8))


class CLoss(ctypes.Structure):
    """crash_loss_t."""

    _fields_ = (
        ("writes", ctypes.c_uint32),
        ("n_choices", ctypes.c_uint32),
        ("choices", ctypes.POINTER(ctypes.c_uint8)),
        ("n_faults", ctypes.c_uint8),
        ("faults", CFault * MOST_FAULTS),
    )


class CPort(ctypes.Structure):
    """fml_port_t."""

    _fields_ = (("offset_bytes", ctypes.c_uint32), ("n_bytes", ctypes.c_uint32))


class CRow(ctypes.Structure):
    """fml_layer_t."""

    _fields_ = (
        ("first_step", ctypes.c_uint32),
        ("unread", ctypes.c_uint32 * 7),
        ("parts", ctypes.c_uint16),
        ("kind", ctypes.c_uint8),
    )


class CModel(ctypes.Structure):
    """The head of fml_model_t, as far as Python reads it."""

    _fields_ = (
        ("inputs", ctypes.POINTER(CPort)),
        ("outputs", ctypes.c_void_p),
        ("layers", ctypes.POINTER(CRow)),
        ("n_inputs", ctypes.c_uint16),
        ("n_outputs", ctypes.c_uint16),
        ("n_layers", ctypes.c_uint16),
        ("layout_version", ctypes.c_uint16),
        *((name, ctypes.c_uint32) for name in ("digest_0", "digest_1", "n_steps", "arena_bytes", "tile_bytes")),
        *((name, ctypes.c_uint32) for name in ("scratch_bytes", "sram_bytes", "nvm_bytes")),
        ("commit_slots", ctypes.c_uint8),
    )
