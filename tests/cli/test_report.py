"""`freeml report`: one file that needs nothing else, with what is known of a folder and of its life."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from freeml import CompileOptions, compile_model
from freeml.cli import main

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


class Page(HTMLParser):
    """What a page refers to, its headings and cells."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.headings: list[str] = []
        self.cells: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        given = dict(attrs)
        self.outside += [given[name] or "" for name in ("src", "href") if name in given]

    def handle_data(self, data: str) -> None:
        if self._in in ("h1", "h2"):
            self.headings.append(data.strip())
        if self._in == "td":
            self.cells.append(data.strip())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    work = tmp_path_factory.mktemp("report")
    options = CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=33)
    compile_model(DIGITS, work / "out", data="digits", options=options)
    trace = work / "trace.csv"
    trace.write_text("time_s,power_uw\n" + "".join(f"{n},{2000 if n % 3 else 100}\n" for n in range(30)))
    arguments = ["--trace", str(trace), "--data", "digits", "--arrivals", "every:0.5s"]
    assert main(["report", str(work / "out"), *arguments]) == 0
    return (work / "out" / "report.html").read_text(encoding="utf-8")


def figures(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert found
    made: dict[str, Any] = json.loads(found[1])
    return made


def test_policies_stand_beside_the_bound(report: str) -> None:
    bars = figures(report)["policies"]["data"][0]
    assert bars["y"] == ["always-full", "bound"]
    assert 0 < bars["x"][0] <= bars["x"][1]


def test_the_page_needs_nothing_from_outside(report: str) -> None:
    page = Page()
    page.feed(report)
    assert page.outside == ["data:,"]
    assert "plotly.js v" in report
    assert 'name="viewport"' in report
    assert "prefers-color-scheme: dark" in report


def test_the_page_has_memory_layers_exits_and_the_life(report: str) -> None:
    page = Page()
    page.feed(report)
    titles = " ".join(page.headings)
    for title in ("digits on msp430fr5994", "Memory", "Layers", "Exits", "Life: always-full, 33uF behind bq25570"):
        assert title in titles
    assert "exit 1" in page.cells
    drawn = figures(report)
    assert set(drawn) == {"memory", "layers", "reliability", "policies", "stack0", "time0"}
    for name in drawn:
        assert f'id="{name}"' in report
    line = {trace["name"].split(" (")[0]: trace for trace in drawn["time0"]["data"]}
    assert {"capacitor, V", "boot", "loss of power", "commit", "answer of exit 1"} <= set(line)
    assert max(line["capacitor, V"]["x"]) <= 30
    assert len(line["commit"]["x"]) > len(line["answer of exit 1"]["x"]) > 5
    stack = drawn["stack0"]["data"]
    for row in (0, 1):
        shares = [trace["x"][row] for trace in stack if trace["x"][row] is not None]
        assert sum(shares) == pytest.approx(100, rel=1e-6)
    energies = next(trace for trace in drawn["layers"]["data"] if trace["name"].startswith("energy"))
    assert sum(energies["x"]) == pytest.approx(100)


def test_names_of_a_model_do_not_become_part_of_the_page(tmp_path: Path) -> None:
    from freeml.output.folder import read_output
    from freeml.report.facts import Layer, regions
    from freeml.report.page import page

    compile_model(DIGITS, tmp_path / "out", data="digits", options=CompileOptions(samples=1))
    evil = "</script><script>alert(1)</script>"
    output = read_output(tmp_path / "out")
    text = page(output, regions(output), [Layer(evil, evil, (1,), 1, 1, 1, 1, None, None, None)], (), ())
    assert "<script>alert" not in text
    assert figures(text)["layers"]["data"][0]["y"] == [f"1 {evil}"]


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    compile_model(DIGITS, tmp_path / "out", data="digits", options=CompileOptions(samples=1))
    texts = []
    for name in ("a.html", "b.html"):
        assert main(["report", str(tmp_path / "out"), "-o", str(tmp_path / name)]) == 0
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_model(DIGITS, tmp_path / "out", data="digits", options=CompileOptions(samples=1))
    assert main(["report", str(tmp_path / "out"), "-o", str(tmp_path / "no" / "where.html")]) == 1
    assert "cannot write there" in capsys.readouterr().err
