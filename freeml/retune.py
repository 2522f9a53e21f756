"""Another table for a compiled folder: temperatures, thresholds and policy, from new samples; the model stays.

What changes is NAME_policy.c, the manifest, and the temperatures beside the scores in the saved graph: no C of the
model, no plan, no digest. So a device that is flashed anew goes on with its inference; the policy's state alone begins
anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from freeml.codegen.emit import policy_files
from freeml.codegen.generate import policy_entry
from freeml.data import Dataset, fit_inputs, load
from freeml.errors import BadOutput
from freeml.exits.answers import FEW_END, by_depth, check_tells, few_findings
from freeml.exits.policy import Policy
from freeml.exits.tune import Choice, Tuned, tuned
from freeml.output.folder import Output, output_files, read_output, write_folder
from freeml.output.manifest import Manifest

SPLIT = "calibration"  # whose samples tables are found on


def retuned(output: Output, choice: Choice, dataset: Dataset | None) -> tuple[Tuned, Manifest]:
    """The table of a policy for a compiled network, and its manifest with that.

    dataset: calibration samples. Raises BadOutput for a network without exits, BadData for samples that tell nothing,
    and as tuned() does.
    """
    manifest = output.manifest
    if manifest.exits is None:
        raise BadOutput(
            "this network answers at its end alone: there is no policy to tune",
            where=str(output.folder),
            hint="compile it with --exits auto",
        )
    known, few = None, []
    if dataset is not None:
        known = by_depth(output.graph, fit_inputs(dataset, [port.shape for port in output.graph.inputs]))
        check_tells(dataset, known)
        few = few_findings(len(dataset))
    found = tuned(output.graph, manifest.tiles, output.board, choice, known)
    return found, _with_policy(output, found, str(choice), few)


def tune_folder(
    folder: str | Path, data: str | None, policy: str | None = None, samples: int | None = None
) -> Manifest:
    """Write the tables of a folder anew, in place, at once or not at all.

    data    a data specification, whose calibration split is taken; None for policies that need no samples
    policy  as for compile; that of the folder where None
    samples at most so many, evenly spread; all where None
    """
    output = read_output(folder)
    asked = policy or (output.manifest.exits.policy if output.manifest.exits else "")
    dataset = None if data is None else load(data, SPLIT, limit=samples)
    found, manifest = retuned(output, Choice.parse(asked) if asked else Choice("searched"), dataset)
    _write(output, found, manifest, output.folder)
    return manifest


def write_table(output: Output, table: Policy, n_samples: int | None = None) -> Manifest:
    """Write a table that was found elsewhere, on so many samples, into a folder, in place, at once or not at all."""
    found = Tuned(output.graph, table)
    manifest = _with_policy(output, found, str(Choice.of(table)), [] if n_samples is None else few_findings(n_samples))
    _write(output, found, manifest, output.folder)
    return manifest


def changed_files(output: Output, found: Tuned) -> dict[str, str]:
    """The C that another table changes."""
    name = output.graph.name
    first = (output.folder / f"{name}.h").read_text(encoding="utf-8").splitlines()
    header = first[: next(k for k, line in enumerate(first) if line.endswith("*/")) + 1]
    return policy_files(name, header, policy_entry(found.policy))


def at_depth(output: Output, depth: int, folder: Path) -> Output:
    """A copy of a folder whose C ends every inference at one depth. Raises BadData for one that it does not have,
    BadOutput for a network without exits."""
    if output.manifest.exits is None:
        raise BadOutput(
            "this network answers at its end alone: it has one depth",
            where=str(output.folder),
            hint="verify it without --depth, or compile it with --exits auto",
        )
    found, manifest = retuned(output, Choice("fixed", depth), None)
    _write(output, found, manifest, folder)
    return read_output(folder)


def _with_policy(output: Output, found: Tuned, asked: str, few: Sequence[str]) -> Manifest:
    """The manifest of a folder with another policy, and what stands against it. Its network has exits."""
    manifest = output.manifest
    assert manifest.exits is not None
    exits = manifest.exits.model_copy(update={"policy": asked})
    warnings = (*(one for one in manifest.warnings if not one.endswith(FEW_END)), *few)
    tiles = replace(manifest.tiles, policy=found.policy)
    return manifest.model_copy(update={"exits": exits, "tiles": tiles, "warnings": warnings})


def _write(output: Output, found: Tuned, manifest: Manifest, folder: Path) -> None:
    """All files of a compiled folder, with another table, into that folder or another."""
    kept = sorted(path for path in output.folder.rglob("*") if path.is_file() and not path.is_symlink())
    files = {str(path.relative_to(output.folder)): path.read_bytes() for path in kept}
    made = output_files(manifest, found.graph, output.float_graph) | changed_files(output, found)
    write_folder(folder, {**files, **made})
