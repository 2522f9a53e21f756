"""The C of this package, compiled at first use, and its structs: its headers have the same fields."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freeml.firmware.host import build_host_library
from freeml.resources import resource

NATIVE = Path(__file__).parent
RUNTIME = resource("runtime_c")
SOURCES = (
    *(NATIVE / f"{name}.c" for name in ("linear", "supply", "life", "table", "bound")),
    RUNTIME / "src" / "fml_policy.c",  # the one that devices run, and what it reads scores by
    RUNTIME / "hal" / "host" / "fml_hal_host.c",
)
INCLUDE = (NATIVE, RUNTIME / "hal" / "host", RUNTIME / "include")

TIME, ON, OFF = range(3)
NO_REGULATOR, LDO, BUCK = range(3)
STACK = ("compute", "reexecute", "commit", "restore", "boot", "sleep", "sense", "report", "decide")
EVERY_TIME, BACK_TO_BACK, EACH_BOOT = range(3)
STATES = ("off", "boot", "restore", "asleep", "working")
LOG_ON, LOG_LOSS, LOG_START, LOG_DONE, LOG_MISSED, LOG_COMMIT = (1 << n for n in range(6))
RUN_DONE, RUN_LOG_FULL, RUN_FAILED, RUN_RUNS_AWAY = range(4)
DEPTHS = 8
BOUND_STATES = 1024

_f, _i, _l, _p = ctypes.c_double, ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p
Fields = list[tuple[str, Any]]


def _each(kind: Any, *names: str) -> Fields:
    return [(name, kind) for name in names]


class EnergyStruct(ctypes.Structure):
    """fml_energy_t."""

    _fields_ = _each(_f, "harvested_j", "delivered_j", "used_j", "stored_j", "leaked_j", "clipped_j", "converted_j")


class SourceStruct(ctypes.Structure):
    """fml_source_t."""

    _fields_ = [
        *_each(_p, "volts", "amperes"),
        *_each(_f, "low", "high", "low_share", "high_share"),
        *_each(_i, "n", "split", "hint", "unused"),
    ]


class SupplyStruct(ctypes.Structure):
    """fml_supply_t."""

    _fields_ = [
        *_each(_f, "capacitance_f", "esr_ohm", "insulation_ohm", "clamp_v"),
        *_each(_f, "v_on_v", "v_off_v", "on_a", "off_a", "diode_v", "output_v", "dropout_v"),
        *_each(_p, "from_a", "shares"),
        *_each(_i, "n_shares", "regulator"),
        *_each(_f, "voltage_v", "seen_v"),
        *_each(_i, "is_on", "runs_away"),
        ("source", SourceStruct),
        ("energy", EnergyStruct),
        ("carried", EnergyStruct),
    ]


class WorkStruct(ctypes.Structure):
    """fml_work_t."""

    _fields_ = [*_each(_f, "time_s", "charge_c", "commit_share"), *_each(_i, "n", "stack", "depth", "row")]


BOOT = ctypes.CFUNCTYPE(ctypes.c_int, _p, ctypes.POINTER(WorkStruct))
START = ctypes.CFUNCTYPE(ctypes.c_int, _p, _l)
NEXT = ctypes.CFUNCTYPE(ctypes.c_int, _p, _f, _f, ctypes.POINTER(WorkStruct))
DONE = ctypes.CFUNCTYPE(ctypes.c_int, _p, _i)
CUT = ctypes.CFUNCTYPE(ctypes.c_int, _p, _f)


class DeviceStruct(ctypes.Structure):
    """fml_device_t."""

    _fields_ = [("context", _p), ("boot", BOOT), ("start", START), ("next", NEXT), ("done", DONE), ("cut", CUT)]


class LogStruct(ctypes.Structure):
    """fml_log_t."""

    _fields_ = [*_each(_f, "time_s", "value"), ("event", _l), *_each(_i, "what", "depth", "right", "row")]


class SamplesStruct(ctypes.Structure):
    """fml_samples_t."""

    _fields_ = [
        *_each(_p, "ends_s", "volts", "amperes", "low", "high", "low_share", "high_share"),
        *_each(_l, "n", "at"),
        *_each(_i, "nodes", "split", "is_shared", "unused"),
    ]


class LifeStruct(ctypes.Structure):
    """fml_life_t."""

    _fields_ = [
        ("supply", SupplyStruct),
        ("device", DeviceStruct),
        *_each(_f, "clock_s", "boot_s", "boot_c", "sleep_a"),
        ("arrivals_s", _p),
        *_each(_l, "n_arrivals", "arrival"),
        *_each(_i, "arrivals", "events_at_boot", "state", "has_work", "has_event", "unused"),
        ("work", WorkStruct),
        ("event", _l),
        *_each(_f, "event_s", "elapsed_s", "pending_j", "asleep_s"),
        *_each(_l, "missed", "inferences", "right", "unknown", "boots", "losses", "outages", "steps"),
        *_each(_l, "redone", "started"),
        ("exits", _l * DEPTHS),
        *_each(_f, "off_since_s", "longest_off_s"),
        ("stack_j", _f * len(STACK)),
        ("lost_j", _f * len(STACK)),
        ("log", _p),
        *_each(_l, "log_room", "log_n"),
        *_each(_i, "log_what", "unused_2"),
        ("picture", _p),
        *_each(_l, "picture_room", "picture_n"),
        *_each(_f, "picture_step_s", "picture_next_s"),
    ]


class TableStruct(ctypes.Structure):
    """fml_table_t."""

    _fields_ = [
        ("rows", _p),
        ("restore", WorkStruct),
        ("first", WorkStruct),
        *_each(_i, "n_rows", "row", "left", "forgets", "keeps_time", "depth", "is_cold", "under_way"),
        *_each(_p, "policy", "scores", "right", "order"),
        *_each(_l, "n_samples", "sample"),
        *_each(_i, "n_depths", "unused", "energy_uj", "elapsed_ms"),
    ]


class BoundStateStruct(ctypes.Structure):
    """fml_bound_state_t."""

    _fields_ = [("volts", _f), *_each(_l, "event", "right", "piece", "at"), *_each(_i, "is_lit", "unused")]


class BoundStruct(ctypes.Structure):
    """fml_bound_t."""

    _fields_ = [
        ("supply", SupplyStruct),
        ("pieces", _p),
        ("n_pieces", _l),
        ("arrivals_s", _p),
        ("n_arrivals", _l),
        *_each(_p, "charge_c", "time_s", "first_right", "order"),
        ("n_samples", _l),
        ("end_s", _f),
        ("best", _l),
        ("lifted", _f),
        *_each(_i, "n_states", "overflowed"),
        ("states", BoundStateStruct * BOUND_STATES),
    ]


@functools.cache
def library() -> Any:
    """The library, compiled unless the cache has it. Raises ToolMissing, ToolFailed."""
    with tempfile.TemporaryDirectory(prefix="freeml-life-") as work:
        loaded = ctypes.CDLL(str(build_host_library(SOURCES, INCLUDE, Path(work, "life.so"))))
    advance: Callable[..., float] = loaded.fml_supply_advance
    advance.restype, advance.argtypes = _f, [_p, _f, _f, ctypes.POINTER(ctypes.c_int)]  # type: ignore[attr-defined]
    for name, arguments in (("life_run", [_p, _p]), ("life_end", [_p]), ("table_device", [_p, _p])):
        function = getattr(loaded, f"fml_{name}")
        function.restype, function.argtypes = ctypes.c_int, arguments
    loaded.fml_bound.restype, loaded.fml_bound.argtypes = None, [_p]
    return loaded
