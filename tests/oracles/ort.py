"""onnxruntime as users run it, optimised, but exact: on x64 processors without VNNI it would saturate sums of products.

There two products of 8 bits are added in 16 by default; with its option `session.x64quantprecision` they are not.
"""

from __future__ import annotations

import os

import onnxruntime


def session(model: bytes | str | os.PathLike[str]) -> onnxruntime.InferenceSession:
    """Of a model's bytes or its file."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
