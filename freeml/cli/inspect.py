"""`freeml inspect`: what a model is, what it costs, and where int8 loses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from freeml.cli.options import data_option, json_option, model_argument
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.ir.graph import Graph
    from freeml.ir.types import Port
    from freeml.quantize.errors import LayerError
    from freeml.quantize.search import Quantized

_RANDOM_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class _PortRow:
    """An input or output as its author sees it; scale and zero point of its codes, where it has codes."""

    name: str
    shape: list[int]
    dtype: str
    memory_order: list[int]
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class _OpRow:
    """An op, the shape of its value, and what it costs."""

    value: str
    op: str
    loc: str
    shape: list[int]
    macs: int
    params: int


@dataclass(frozen=True, slots=True)
class _Description:
    """What the command says of a graph: fields are those of the JSON."""

    stage: str
    macs: int
    params: int
    inputs: list[_PortRow]
    outputs: list[_PortRow]
    layers: list[_OpRow]


@click.command("inspect", short_help="Show a model's layers, costs and errors.")
@model_argument
@data_option("Calibration samples: shows the model as it is after quantization.")
@click.option("--errors", is_flag=True, help="Show layer by layer where int8 differs from float.")
@click.option("--text", is_flag=True, help="Print the graph's text form instead of tables.")
@json_option
@click.pass_obj
def inspect(terminal: Terminal, model: str, data_spec: str | None, errors: bool, text: bool) -> None:
    """Show inputs, outputs, layers and costs of MODEL, after constant folding and fusion.

    With --data, or where the model is quantized already, these are the layers of the int8 network. --errors needs one
    of the two: it runs both networks and shows the error that each layer adds (local) and has in all (accumulated).

    \b
    Example:
      freeml inspect model.onnx
      freeml inspect model.onnx --data mnist --errors
    """
    from freeml.codegen.names import identifier
    from freeml.data.findings import joined, model_findings
    from freeml.frontend.load import load_model
    from freeml.ir.text import to_text
    from freeml.output.describe import quantization_of
    from freeml.pipeline import inspect_errors, optimise, quantize_with
    from freeml.quantize.scales import missing
    from freeml.sim.check import random_dataset

    if errors and text:
        raise click.UsageError("--errors and --text are two different outputs")
    quantized: Quantized | None = None
    found: list[LayerError] | None = None
    with terminal.steps() as progress:
        progress("read the model")
        loaded = load_model(model)
        float_graph = optimise(loaded, identifier(loaded.name))
        if data_spec is not None or errors or not missing(float_graph):
            quantized = quantize_with(float_graph, data_spec, progress=progress)
        if errors and quantized is not None:
            progress("compare every layer with float")
            samples = data_spec or random_dataset(quantized.graph, _RANDOM_SAMPLES)
            found = inspect_errors(float_graph, quantized, samples)
    graph = quantized.graph if quantized else float_graph
    description = _describe(graph)
    warnings = joined(model_findings(float_graph), quantized.warnings if quantized else ())
    terminal.result(
        {
            "model": {"name": loaded.name, "sha256": loaded.digest},
            **asdict(description),
            "quantization": quantization_of(quantized).model_dump() if quantized else None,
            "warnings": warnings,
            **({"text": to_text(graph)} if text else {}),
            **({"errors": [asdict(row) for row in found]} if found is not None else {}),
        }
    )
    if terminal.as_json:
        return
    if text:
        click.echo(to_text(graph), nl=False)
    elif found is not None:
        _show_errors(terminal, found, data_spec)
    else:
        _show(terminal, loaded.name, description, quantized.method if quantized else None)
    terminal.warn(warnings)


def _describe(graph: Graph) -> _Description:
    from freeml.plan.counts import count_ops

    counts = count_ops(graph)
    return _Description(
        graph.stage.value,
        counts.macs,
        counts.params,
        [_port(graph, port) for port in graph.inputs],
        [_port(graph, port) for port in graph.outputs],
        [
            _OpRow(op.output, type(op).__name__, op.loc, list(graph.types[op.output].shape), one.macs, one.params)
            for op, one in zip(graph.ops, counts.by_op.values(), strict=True)
        ],
    )


def _port(graph: Graph, port: Port) -> _PortRow:
    quant = graph.types[port.value].quant
    scale, zero_point = (quant.scale, quant.zero_point) if quant else (None, None)
    return _PortRow(port.name, list(port.shape), port.dtype, list(port.order), scale, zero_point)


def _show(terminal: Terminal, name: str, description: _Description, method: str | None) -> None:
    from freeml.cli import tables

    stage = f"int8: {method}" if method is not None else "float; --data shows it quantized"
    note = f"{description.macs:,} macs, {description.params:,} parameters; {stage}"
    terminal.show(tables.heading(name, note))
    ports = tables.table("", "name", "shape", "type", "scale", "zero point", right=(4, 5), elastic=(1,))
    for direction, rows in (("input", description.inputs), ("output", description.outputs)):
        for port in rows:
            ports.add_row(
                direction,
                tables.short(port.name, 40),
                tables.shape(port.shape),
                port.dtype,
                f"{port.scale:.5g}" if port.scale else "",
                str(port.zero_point) if port.scale else "",
            )
    terminal.show(ports, "")
    most = max((row.macs for row in description.layers), default=0)
    made = tables.table("node", "op", "shape", "params", "macs", "", right=(3, 4), elastic=(5, 0))
    for row in description.layers:
        made.add_row(
            tables.node(row.loc),
            row.op,
            tables.shape(row.shape),
            f"{row.params:,}",
            f"{row.macs:,}",
            tables.bar(row.macs, most),
        )
    terminal.show(made)


def _show_errors(terminal: Terminal, rows: list[LayerError], data_spec: str | None) -> None:
    from freeml.cli import tables

    samples = f"calibration samples of {data_spec}" if data_spec else f"{_RANDOM_SAMPLES} random samples"
    terminal.show(tables.heading("Error of int8, layer by layer", f"share of the float values' size; {samples}"))
    most = max((row.accumulated for row in rows), default=0.0)
    advice = list(dict.fromkeys(row.advice for row in rows if row.advice))
    made = tables.table(
        "node", "op", "local", "", "accumulated", "", "clipped", "note", right=(2, 4, 6), elastic=(5, 3, 0)
    )
    for row in rows:
        made.add_row(
            tables.node(row.loc, 24),
            row.op,
            tables.percent(row.local),
            tables.bar(row.local, most, 10),
            tables.percent(row.accumulated),
            tables.bar(row.accumulated, most, 10),
            tables.percent(row.clipped),
            f"({advice.index(row.advice) + 1})" if row.advice else "",
        )
    terminal.show(made, "")
    for number, line in enumerate(advice, start=1):
        terminal.show(f"({number}) {line}")
    if not advice:
        terminal.show("no layer stands out")
