"""ONNX's own backend tests: what passes and what is refused is written down in suite.golden.txt; nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.frontend.onnx.suite import Tally, report, run_all

GOLDEN = Path(__file__).with_name("suite.golden.txt")
MUST_PASS = ("Conv", "Relu", "MaxPool", "AveragePool", "Gemm", "BatchNormalization", "Add", "Flatten", "Softmax")


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return run_all()


def test_no_case_of_the_suite_is_answered_wrongly(tallies: dict[str, Tally]) -> None:
    assert {name: why for tally in tallies.values() for name, why in tally.wrong.items()} == {}


@pytest.mark.parametrize("family", MUST_PASS)
def test_nine_of_ten_cases_with_constant_weights_pass(tallies: dict[str, Tally], family: str) -> None:
    tally = tallies[family]
    without_weights = [why for why in tally.refused.values() if "statistics computed from the batch" in why]
    assert tally.passed >= 0.9 * (tally.total - len(without_weights))


def test_passed_and_refused_cases_are_those_of_the_golden_table(tallies: dict[str, Tally], update_golden: bool) -> None:
    if update_golden:
        GOLDEN.write_text(report(tallies))
    if GOLDEN.read_text().splitlines()[0] != f"onnx {onnx.__version__}":
        pytest.skip(f"the table is of another version of the suite than onnx {onnx.__version__}")
    assert report(tallies) == GOLDEN.read_text()


def test_every_refusal_says_why(tallies: dict[str, Tally]) -> None:
    assert all(len(why) > 10 for tally in tallies.values() for why in tally.refused.values())
