"""A graph survives being text and being bytes; what is neither is refused as a bad model."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from float_graphs import Network, networks
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from plan_graphs import int8_graphs, tiny_cnn

from freeml.errors import BadModel
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import Weight
from freeml.ir.graph import Graph
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.text import digest, parse, to_text
from freeml.ir.types import Const, Quant, TensorType
from freeml.ir.verify import verify_graph

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(graph: Graph) -> None:
    """Both round trips give the same graph, and the same graph gives the same bytes."""
    again = parse(to_text(graph), graph.consts)
    assert digest(again) == digest(graph)
    assert again.ops == graph.ops
    assert again.inputs == graph.inputs
    data = to_bytes(graph)
    loaded = from_bytes(data, where="here")
    assert digest(loaded) == digest(graph)
    assert loaded.consts == graph.consts
    assert to_bytes(loaded) == data


@SOME
@given(networks())
def test_float_graphs_survive_text_and_store(network: Network) -> None:
    check(network.graph)


@SOME
@given(int8_graphs())
def test_integer_graphs_survive_text_and_store(graph: Graph) -> None:
    assume(graph.outputs)
    check(graph)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_names_of_any_characters_survive(port: str, loc: str, model: str) -> None:
    check(odd_graph(port, loc, model))


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "'",
        '"',
        "'\"",
        "\\",
        "a ; 'b'",
        'x : y ; "z',
        "%x",
        ")",
        "(1,)",
        "\n",
        "\x85",
        "é",
        "\U0001f600",
        "a.b/c:0",
    ],
)
def test_names_that_look_like_syntax_survive(name: str) -> None:
    check(odd_graph(name, name, name))


def odd_graph(port: str, loc: str, model: str) -> Graph:
    b = GraphBuilder(model)
    x = b.dense(b.input(port, (1, 2)), Weight(np.ones((3, 2)), (0.5,)), None, loc=loc)
    x = b.unary(b.unary(x, "clamp", (-1.5, float("inf")), loc=loc), "identity", loc=loc)
    b.output(x, port)
    return verify_graph(b.finish())


def test_exact_figures_survive() -> None:
    graph = odd_graph("x", "n", "m")
    value = graph.outputs[0].value
    quant = Quant(0.1 + 0.2, -7)
    annotated = replace(graph, types={**graph.types, value: TensorType(graph.types[value].shape, quant=quant)})
    assert from_bytes(to_bytes(annotated), where="").types[value].quant == quant


def test_another_constant_is_another_function() -> None:
    graph = tiny_cnn()
    name = next(iter(graph.consts))
    other = replace(graph, consts={**graph.consts, name: Const(graph.consts[name].array + np.int8(1))})
    assert digest(other) != digest(graph)
    with pytest.raises(BadModel, match="another content"):
        parse(to_text(graph), other.consts)


@pytest.mark.parametrize(
    "line",
    [
        "%y = NoSuchOp(%x) : f32[1] ; 'n'",
        "%y = Softmax(%x) : f99[1] ; 'n'",
        "%y = Softmax(%x) colour=1 : f32[1] ; 'n'",
        "%y = ArgMax(%x) last=__import__('os') : f32[1] ; 'n'",
        "%y = ArgMax(%x) last=( : f32[1] ; 'n'",
        "%y = Conv(%x) window=1 groups=1 clamp=None : f32[1] ; 'n'",
        "%y = Softmax(%x) : f32[1] q(nan, 0) ; 'n'",
        "%y = Softmax(%x) : f32[1] q(1.0, 300) ; 'n'",
        "input %x 'x' 3 order (0,) float32",
        "const @w f32[1] 0123",
        "graph m : no_stage",
        "graph",
        "value %x",
        "nonsense",
    ],
)
def test_a_line_that_is_none_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(BadModel) as caught:
        parse(f"graph m : float\n{line}\n", {})
    assert caught.value.where.startswith("line 2")


def archive(changes: dict[str, bytes | None], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive of a good graph with members replaced, added, or (None) left out."""
    members: dict[str, bytes | None] = {}
    with zipfile.ZipFile(io.BytesIO(to_bytes(tiny_cnn()))) as source:
        members = {name: source.read(name) for name in source.namelist()}
    members |= changes
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, content in members.items():
            if content is not None:
                target.writestr(name, content)
    return buffer.getvalue()


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def _giant_header() -> bytes:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


K = "consts/k0.npy"
HOSTILE = {
    "no zip": b"not a zip",
    "empty": b"",
    "an empty zip": b"PK\x05\x06" + bytes(18),
    "no text": archive({"graph.txt": None}),
    "no scales": archive({"scales.txt": None}),
    "a constant missing": archive({K: None}),
    "pickled objects": archive({K: npy(np.array([{}], dtype=object), pickled=True)}),
    "a constant that is a zip": archive({K: archive({})}),
    "a constant that is a pickle": archive({K: b"\x80\x04N."}),
    "a header of many petabytes": archive({K: _giant_header()}),
    "a constant cut short": archive({K: npy(np.zeros(99, np.int8))[:-9]}),
    "complex numbers": archive({K: npy(np.zeros(3, complex))}),
    "a spare constant of no known type": archive({"consts/extra.npy": npy(np.array(["a"]))}),
    "another constant": archive({K: npy(np.zeros((8, 3, 3, 1), np.int8))}),
    "text of no encoding": archive({"graph.txt": b"\xff\xfe"}),
    "no graph at all": archive({"graph.txt": b""}),
    "a graph without ports": archive({"graph.txt": b"graph m : quantized\n"}),
    "an op that reads nothing": archive({"graph.txt": b"graph m : float\n%y = Softmax() : f32[1] ; 'n'\n"}),
    "an output that nothing makes": archive({"graph.txt": b"graph m : float\noutput %y 'y' (1,) order (0,) float32\n"}),
    "deep nesting": archive(
        {"graph.txt": b"graph m : float\n%y = ArgMax(%x) last=" + b"(" * 9000 + b" : f32[1] ; 'n'\n"}
    ),
    "code for scales": archive({"scales.txt": b"k0 __import__('os').abort()\n"}),
    "half a scale": archive({"scales.txt": b"k0\n"}),
    "scales of no type": archive({"scales.txt": b"k0 {'a': 1}\n"}),
    "lzma bytes": archive({}, zipfile.ZIP_LZMA)[:200],
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_an_archive_that_freeml_did_not_write_is_a_bad_model(kind: str) -> None:
    with pytest.raises(BadModel) as caught:
        from_bytes(HOSTILE[kind], where="model.fml")
    assert caught.value.where == "model.fml"


def test_an_archive_larger_than_a_gibibyte_is_refused_before_it_is_unpacked() -> None:
    data = bytearray(archive({}))
    at = data.rindex(b"PK\x01\x02")  # the last entry of the directory claims 3 GiB
    data[at + 24 : at + 28] = (3 << 30).to_bytes(4, "little")
    with pytest.raises(BadModel, match="GiB"):
        from_bytes(bytes(data), where="model.fml")


def test_a_damaged_byte_anywhere_gives_the_same_graph_or_a_bad_model() -> None:
    graph = odd_graph("x", "n", "m")
    data = to_bytes(graph)
    rng = np.random.default_rng(5)
    refused = 0
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= int(rng.integers(1, 256))
        try:
            assert digest(from_bytes(bytes(damaged), where="m")) == digest(graph)
        except BadModel:
            refused += 1
    for length in range(0, len(data), 7):
        with pytest.raises(BadModel):
            from_bytes(data[:length], where="m")
    assert refused > len(data) / 2
