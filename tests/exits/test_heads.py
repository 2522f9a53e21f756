"""Heads: what concatenation, sums of slices, graphs and integers have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from freeml.exits.heads import Exit, Heads, Kind, Slice
from freeml.exits.integer import quantize_heads
from freeml.ir.types import Const
from freeml.quantize.fixed_point import quant_of_range
from freeml.train.global_exit import PUBLISHED, GlobalExit
from tests.exits.nets import NETS, branched, features, samples, with_weights

KINDS: tuple[Kind, ...] = ("gnet", "shared", "separate")


@pytest.mark.parametrize(
    ("name", "params"),
    [("cifar10_s", 10_250), ("cifar10_m", 15_418), ("cifar100_m", 2_048_100), ("kws_m", 7_050), ("kws_s", 20_170)],
)
def test_published_heads_have_the_parameters_of_their_authors(name: str, params: int) -> None:
    assert GlobalExit(PUBLISHED[name]).n_params == params


@pytest.mark.parametrize("name", [name for name, design in PUBLISHED.items() if design.squeeze is None])
def test_a_sum_of_slices_is_the_classifier_over_the_concatenation(name: str) -> None:
    torch.manual_seed(0)
    head = GlobalExit(PUBLISHED[name])
    maps = [torch.randn(3, *shape) for shape in PUBLISHED[name].maps]
    whole = head.classify.weight.detach().numpy().astype(np.float64)
    sizes = [int(np.prod(shape)) for shape in head.shapes]
    matrices = tuple(Const(part) for part in np.split(whole, np.cumsum(sizes)[:-1], axis=1))
    bias = head.classify.bias.detach().numpy().astype(np.float64)
    exits = tuple(Exit(f"map{k}", "net:/map", (Slice(f"map{k}", k),), (1.0,) * k) for k in range(len(maps)))
    heads = Heads("gnet", exits, matrices, tuple(Const(bias * (k == 0)) for k in range(len(maps))))
    assert heads.n_params == head.n_params
    assert heads.is_chain
    known = {
        f"map{k}": resize(x).numpy().astype(np.float64)
        for k, (x, resize) in enumerate(zip(maps, PUBLISHED[name].resizes, strict=True))
    }
    for depth, scores in enumerate(heads.scores(known), start=1):
        np.testing.assert_allclose(scores, head(maps, depth).detach().numpy(), rtol=1e-4, atol=1e-4)


def test_the_published_head_with_a_convolution_sees_zeros_for_maps_that_are_not_there() -> None:
    torch.manual_seed(0)
    head = GlobalExit(PUBLISHED["cifar10_m"]).eval()
    maps = [torch.randn(2, *shape) for shape in PUBLISHED["cifar10_m"].maps]
    others = [*maps[:2], *(torch.randn_like(x) for x in maps[2:])]
    assert torch.equal(head(maps, 2), head(others, 2))
    assert not torch.equal(head(maps, 3), head(others, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", NETS)
def test_integer_heads_are_the_real_ones_within_their_codes(net: str, kind: Kind) -> None:
    of = branched(NETS[net](), normed=kind == "separate")
    heads = with_weights(of, kind)
    real = features(of, samples(of.graph, 40))
    quants = {name: quant_of_range(float(x.min()), float(x.max())) for name, x in real.items()}
    codes = {name: quants[name].quantize(x) for name, x in real.items()}
    exact = heads.scores({name: quants[name].dequantize(x) for name, x in codes.items()})
    whole = quantize_heads(heads, quants)
    for found, wanted in zip(whole.run(codes), exact, strict=True):
        assert found.dtype == np.int32
        # Codes of weights are what differs: half a step of each, times its feature, through every number of mix.
        step = max(float(np.abs(m.array).max()) / 127 for m in heads.matrices)
        reach = sum(float(np.abs(x).reshape(len(x), -1).sum(axis=1).max()) for x in real.values())
        factor = max([1.0, *(number for exit_ in heads.exits for number in exit_.mix)])
        np.testing.assert_allclose(whole.scale * found, wanted, atol=factor * step / 2 * reach + 1e-6)


def test_accumulators_use_their_31_bits_and_never_more() -> None:
    of = branched(NETS["image"]())
    heads = with_weights(of, "shared")
    quants = {name: quant_of_range(-1, 1) for name in of.features}
    whole = quantize_heads(heads, quants)
    worst = []
    for sign in (-1, 1):
        # The largest sums there are: every feature at an end of its codes, by the sign of its weight in one class.
        codes = {
            part.features: np.where(sign * part.weight > 0, 127, -128).astype(np.int8)
            for exit_ in whole.exits
            for part in exit_.slices
        }
        worst.append(max(int(np.abs(acc.astype(np.int64)).max()) for acc in whole.run(codes)))
    assert 2**27 < max(worst) <= 2**30


def test_where_all_of_mix_is_one_a_single_accumulator_gives_the_same_bits() -> None:
    of = branched(NETS["signal"]())
    heads = with_weights(of, "gnet")
    quants = {name: quant_of_range(-2, 3) for name in of.features}
    rng = np.random.default_rng(5)
    codes = {name: rng.integers(-128, 128, (9, of.graph.types[name].n_elems)).astype(np.int8) for name in of.features}
    whole = quantize_heads(heads, quants)
    found, acc = whole.run(codes), np.zeros((9, heads.n_classes), dtype=np.int64)
    separate = replace(whole, exits=tuple(replace(one, mix=(None,) * len(one.mix)) for one in whole.exits))
    for depth, part in enumerate(separate.run(codes)):
        acc = acc + part
        assert np.array_equal(acc, found[depth])


def test_tied_exits_store_one_matrix_with_the_same_codes() -> None:
    of = branched(NETS["residual"]())
    assert len(set(of.sizes)) == 1
    heads = with_weights(of, "shared", tied=True)
    assert len(heads.matrices) == 1 < len(heads.exits)
    quants = {name: quant_of_range(-1, 1 + number) for number, name in enumerate(of.features)}
    first, *others = [part for exit_ in quantize_heads(heads, quants).exits for part in exit_.slices]
    assert all(np.array_equal(first.weight, other.weight) for other in others)
    assert heads.stored_bytes < with_weights(of, "shared").stored_bytes - first.weight.size * (len(others) - 1)
