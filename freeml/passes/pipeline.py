"""The float passes in order, each checked by the verifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from freeml.ir.graph import Graph
from freeml.ir.text import to_text
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.passes.fold_affine import FoldAffine
from freeml.passes.fuse_clamp import FuseClamp
from freeml.passes.fuse_pad import FusePad
from freeml.passes.remove_identity import RemoveIdentity
from freeml.passes.simplify_layout import SimplifyLayout
from freeml.passes.skip_softmax import SkipSoftmax

Pass = Callable[[Graph], Graph]

FLOAT_PASSES: tuple[Pass, ...] = (
    RemoveIdentity(),
    SimplifyLayout(),
    FusePad(),
    FoldAffine(),
    FuseClamp(),
    FoldAffine(),
    RemoveIdentity(),
    SimplifyLayout(),
    SkipSoftmax(),
)


def run_passes(graph: Graph, passes: tuple[Pass, ...] = FLOAT_PASSES, *, dump_dir: Path | None = None) -> Graph:
    """Apply passes in order. Raises InvalidGraphError naming the pass that broke a rule.

    dump_dir: write the text form after each pass to `NN-<pass>.txt`.
    """
    for number, step in enumerate(passes, start=1):
        name = type(step).__name__
        try:
            graph = verify_graph(step(graph))
        except InvalidGraphError as error:
            before = ", ".join(type(p).__name__ for p in passes[: number - 1])
            raise InvalidGraphError(f"after {name} (which followed {before or 'nothing'}): {error}") from error
        if dump_dir is not None:
            dump_dir.mkdir(parents=True, exist_ok=True)
            (dump_dir / f"{number:02}-{name}.txt").write_text(to_text(graph))
    return graph
