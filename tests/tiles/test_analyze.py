"""`freeml analyze` on real models: the answer before any training or data, in a second or two."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.models import write_model
from tests.cli.runner import Ran, freeml
from tests.effort import cpu_s

MODELS = {
    "mnist-8": "models/mnist8/model.onnx",
    "kws float": "models/kws_ref_model_float32.tflite",
    "kws int8": "models/kws_ref_model.tflite",
}


def analyze(model: object, *args: object) -> Ran:
    return freeml("analyze", model, *args, "--json")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


@pytest.mark.needs_data
@pytest.mark.parametrize("board", ["msp430fr5994", "nucleo_l476rg", "host"])
@pytest.mark.parametrize("name", MODELS)
def test_real_models_fit_their_boards_and_it_takes_no_time_to_say_so(name: str, board: str, data_dir: Path) -> None:
    start_s = cpu_s()
    ran = analyze(data_dir / MODELS[name], "--board", board)
    assert cpu_s() - start_s < 2.5
    assert ran.code == 0, ran
    found = ran.json
    assert found["fits"] is True
    assert "error" not in found
    assert found["tiles"]["written_ratio"] <= 1.1
    assert all(region["fits"] for region in found["memory"].values())
    if board == "host":
        assert found["energy_uj"] is found["boots"] is found["smallest_capacitor_uf"] is None
        return
    assert 0 < found["smallest_capacitor_uf"] <= found["capacitor_uf"]
    assert found["boots"] * found["usable_uj"] >= found["energy_uj"]
    assert found["costliest"]["layer_uj"] == max(layer["layer_uj"] for layer in found["layers"])
    assert sum(layer["layer_uj"] for layer in found["layers"]) < found["energy_uj"]


@pytest.mark.needs_data
def test_a_float_model_is_analysed_as_its_int8_twin(data_dir: Path) -> None:
    a, b = (analyze(data_dir / MODELS[name], "--board", "msp430fr5994").json for name in ("kws float", "kws int8"))
    for key in ("macs", "params", "tiles", "boots", "smallest_capacitor_uf"):
        assert a[key] == b[key], key
    for region in ("nvm", "sram"):  # of flash, scales that happen to be equal are stored once
        assert a["memory"][region] == b["memory"][region], region


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["mnist-8", "kws int8"])
def test_the_capacitor_it_names_is_the_smallest(name: str, data_dir: Path) -> None:
    path = data_dir / MODELS[name]
    refused = analyze(path, "--board", "msp430fr5994", "--capacitor", "1uF")
    assert refused.code == 1
    assert refused.json["fits"] is False
    assert "uJ" in refused.json["error"]
    assert refused.json["boots"] is None
    smallest = refused.json["smallest_capacitor_uf"]
    assert f"{smallest:g}uF" in refused.json["hint"]
    assert analyze(path, "--board", "msp430fr5994", "--capacitor", f"{smallest}uF").json["fits"] is True
    assert analyze(path, "--board", "msp430fr5994", "--capacitor", f"{0.9 * smallest:.6f}uF").json["fits"] is False


@pytest.mark.needs_data
def test_tiles_grow_with_the_capacitor(data_dir: Path) -> None:
    path = data_dir / MODELS["mnist-8"]
    found = [analyze(path, "--board", "msp430fr5994", "--capacitor", f"{uf}uF").json for uf in (6, 10, 100, 1_000)]
    tiles = [one["tiles"]["n_tiles"] for one in found]
    assert tiles == sorted(tiles, reverse=True)
    assert tiles[0] > 3 * tiles[2]
    boots = [one["boots"] for one in found]
    assert boots == sorted(boots, reverse=True)


def test_a_refusal_says_what_where_and_what_to_do(model: Path) -> None:
    ran = freeml("analyze", model, "--board", "msp430fr5994", "--capacitor", "1uF")
    assert ran.code == 1
    assert "does not fit" in ran.out
    lines = ran.err.splitlines()
    assert lines[0].startswith("error: ")
    assert "needs" in lines[0]
    assert lines[1].startswith("   at: ")
    assert "smallest capacitor" in lines[2]


def test_a_board_without_room_is_a_refusal_in_bytes(model: Path, tmp_path: Path) -> None:
    board = tmp_path / "mini.toml"
    board.write_text(
        'name = "mini"\ntitle = "A board"\nfamily = "host"\n'
        '[memory]\nflash_bytes = { value = 10, source = "assumed: a test" }\n'
    )
    found = analyze(model, "--board", board)
    assert found.code == 1
    assert found.json["fits"] is False
    weights, scales = 2 * 9 + 8 * 3, (2 + 3) * (4 + 2 + 1)
    assert found.json["memory"]["flash"] == {"needed_bytes": weights + scales, "available_bytes": 10, "fits": False}
    assert "bytes of flash" in found.json["error"]


def test_output_is_pleasant_on_every_board(model: Path) -> None:
    for board in ("host", "msp430fr5994", "nucleo_l476rg"):
        ran = freeml("analyze", model, "--board", board)
        assert ran.code == 0, ran
        assert "fits" in ran.out
        assert max(map(len, ran.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--board", "msp430fr5994", "--capacitor", "47"), "is not a capacitance"),
        (("--board", "host", "--capacitor", "47uF"), "no energy model"),
        (("--board", "nope"), "there is no board"),
    ],
)
def test_wrong_options_are_explained(args: tuple[str, ...], says: str, model: Path) -> None:
    ran = freeml("analyze", model, *args)
    assert ran.code == 1
    assert not ran.out
    assert says in ran.err
