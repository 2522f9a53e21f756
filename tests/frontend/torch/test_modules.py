"""torch modules and .pt2 files, against torch itself."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from freeml.frontend.torch.read import from_constructor, from_torch, read_pt2
from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.ops import Transpose
from freeml.ir.text import digest, to_text
from freeml.ir.verify import verify_graph
from tests.frontend.torch.nets import IMAGE, LOST_IN_CORE, NEEDS_TORCH, NETS, Forward, Residual, build

# Channels change places, or a flattened image is itself the output.
WITH_TRANSPOSE = {"channel shuffle", "in-place on shared memory"}


def check(graph: Graph, module: nn.Module, inputs: tuple[torch.Tensor, ...], *, atol: float = 1e-4) -> None:
    with torch.no_grad():
        expected = module.eval()(*inputs)
    outputs = expected if isinstance(expected, tuple) else (expected,)
    for ours, theirs in zip(predict(graph, [x.numpy() for x in inputs]), outputs, strict=True):
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_allclose(ours, theirs.numpy(), atol=atol, rtol=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_a_module_computes_what_torch_computes(name):
    module, inputs = build(name)
    graph = verify_graph(from_torch(module, inputs, name="net"))
    check(graph, module, inputs)
    assert name in WITH_TRANSPOSE or not list(graph.ops_of(Transpose))
    assert all(op.loc.startswith(("net:", "output ")) for op in graph.ops)


@pytest.mark.parametrize("name", [name for name in NETS if name not in LOST_IN_CORE])
def test_a_decomposed_program_computes_the_same(name):
    module, inputs = build(name)
    with torch.no_grad():
        program = torch.export.export(module.eval(), inputs).run_decompositions()
    check(from_torch(program, name="net"), module, inputs)


@pytest.mark.parametrize("name", sorted(NETS.keys() - NEEDS_TORCH))
def test_a_saved_program_gives_the_graph_of_the_live_module(name, tmp_path):
    module, inputs = build(name)
    with torch.no_grad():
        program = torch.export.export(module.eval(), inputs)
    torch.export.save(program, tmp_path / "net.pt2")
    assert to_text(read_pt2(tmp_path / "net.pt2")) == to_text(from_torch(program, name="net"))


def test_operators_carry_the_path_of_their_module():
    graph = from_torch(nn.Sequential(Residual(4), nn.Conv2d(4, 2, 1)), torch.randn(IMAGE), name="net")
    locs = list(dict.fromkeys(op.loc for op in graph.ops))
    assert locs[:3] == ["net:0.conv1 (aten.conv2d)", "net:0.bn1 (aten.batch_norm)", "net:0 (aten.relu)"]
    assert locs[-1] == "net:1 (aten.conv2d)"


def test_a_module_in_training_mode_is_exported_in_eval_mode_and_left_as_it_was():
    module, inputs = build("mlp")
    module.train()
    module[0].eval()
    graph = from_torch(module, inputs, name="net")
    assert module.training
    assert module[2].training
    assert not module[0].training
    check(graph, module, inputs)


def test_images_keep_the_authors_axes_and_lie_channels_last():
    module, inputs = build("depthwise separable")
    graph = from_torch(module, inputs, name="net")
    (port,) = graph.inputs
    assert (port.name, port.shape, port.order) == ("input", (4, 9, 8), (1, 2, 0))
    assert graph.types[port.value].shape == (9, 8, 4)


def test_argmax_and_several_outputs():
    module = Forward(lambda m, x: (m.fc(x), m.fc(x).argmax(1)), fc=nn.Linear(6, 4))
    x = torch.randn(1, 6)
    graph = from_torch(module, x, name="net")
    logits, index = predict(graph, [x.numpy()])
    assert index.dtype == np.int64
    assert index.reshape(-1)[0] == module(x)[1][0]
    np.testing.assert_allclose(logits, module(x)[0].detach().numpy(), atol=1e-5)


def test_max_pool_with_unused_indices():
    module = Forward(lambda m, x: functional.max_pool2d(m.conv(x), 2, return_indices=True)[0], conv=nn.Conv2d(4, 3, 3))
    x = torch.randn(IMAGE)
    check(from_torch(module, x, name="net"), module, (x,))


def test_a_constructor_is_called_by_name(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(
        "import torch\ndef small():\n    return torch.nn.Linear(3, 2), torch.zeros(1, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    graph = from_constructor("my_nets:small")
    sys.modules.pop("my_nets")
    assert graph.name == "small"
    assert graph.outputs[0].shape == (2,)


def test_the_same_module_gives_the_same_graph():
    module, inputs = build("residual with in-place and functional relu")
    assert digest(from_torch(module, inputs, name="n")) == digest(from_torch(module, inputs, name="n"))
