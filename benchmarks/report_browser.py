"""A report in Chromium, at 1280 and 390 px, light and dark: figures drawn, nothing wider than the page, no error.

    python -m benchmarks.report_browser --output benchmarks/results/report_browser.txt

Chromium is installed from Debian where root may do that; where it is not there, the check is skipped, saying so. The
report is that of the digits example on a synthetic trace. --keep FOLDER keeps pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from freeml import CompileOptions, compile_model
from freeml.cli import main as freeml

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.onnx"
WIDTHS = (1280, 390)
SCHEMES = {"light": 1, "dark": 0}  # blink's preferredColorScheme
HEIGHT = 4200

# Says of itself what a person would see; the frame gives it its width, which a headless window does not go below 500.
PROBE = """
<script>window.failures = []; window.onerror = (what) => { window.failures.push(String(what)); };</script>
"""
ASK = """
<script>window.addEventListener("load", () => setTimeout(() => console.log("SEEN " + JSON.stringify({
  width: window.innerWidth,
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  figures: document.querySelectorAll(".figure").length,
  drawn: document.querySelectorAll(".figure .main-svg").length,
  wide: [...document.querySelectorAll(".figure")].filter((one) => one.scrollWidth > window.innerWidth).length,
  dark: window.matchMedia("(prefers-color-scheme: dark)").matches,
  text: getComputedStyle(document.querySelector(".figure text")).fill,
  failures: window.failures})), 1500));</script>
"""


def chromium() -> str | None:
    """Its command, installed where that may be done."""
    found = shutil.which("chromium")
    if found is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["-y", "--no-install-recommends", "install", "chromium"]):
            subprocess.run(["apt-get", "-q", *command], check=False, capture_output=True)
        found = shutil.which("chromium")
    return found


def report(work: Path) -> Path:
    """The page of the digits example."""
    options = CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=33)
    compile_model(DIGITS, work / "out", data="digits", options=options)
    trace = work / "walk.csv"
    synthetic = ["synth", "rf-walk", "--seed", "1", "--duration", "60", "--power", "4000", "-o", str(trace)]
    assert freeml(["traces", *synthetic]) == 0
    told = ["--trace", str(trace), "--data", "digits", "--arrivals", "every:0.5s"]
    assert freeml(["report", str(work / "out"), *told, "-o", str(work / "report.html")]) == 0
    return work / "report.html"


def look(command: str, page: Path, width: int, scheme: str, keep: Path | None) -> dict[str, object]:
    """What the page says of itself in a frame of this width, and what the console has."""
    work = page.parent
    text = page.read_text(encoding="utf-8").replace("<head>", "<head>" + PROBE, 1)
    (work / "probed.html").write_text(text.replace("</body>", ASK + "</body>"), encoding="utf-8")
    frame = f'<body style="margin:0"><iframe src="probed.html" style="border:0;width:{width}px;height:{HEIGHT}px">'
    (work / "frame.html").write_text("<!doctype html>" + frame + "</iframe></body>", encoding="utf-8")
    picture = (keep or work) / f"report-{width}-{scheme}.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
    options += [f"--window-size={max(width, 500)},{HEIGHT}", f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"]
    options += ["--virtual-time-budget=20000", f"--screenshot={picture}", (work / "frame.html").as_uri()]
    ran = subprocess.run([command, *options], check=False, capture_output=True, text=True, timeout=240)
    console = re.findall(r'CONSOLE:\d+\] "(.*)", source', ran.stderr)
    seen = next((line for line in console if line.startswith("SEEN ")), None)
    found: dict[str, object] = {"said": "nothing"} if seen is None else json.loads(seen[5:])
    found["console"] = [line for line in console if line != seen]
    return found


def is_right(found: dict[str, object], width: int, scheme: str) -> bool:
    """Whether it is as it should be."""
    return (
        found.get("width") == width
        and found["overflow"] == 0
        and found["wide"] == 0
        and found["dark"] is (scheme == "dark")
        and int(str(found["drawn"])) >= int(str(found["figures"])) > 3
        and not found["failures"]
        and not found["console"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    command = chromium()
    if command is None:
        sys.stdout.write("skipped: there is no chromium, and it cannot be installed here\n")
        return 0
    lines, wrong = ["python -m benchmarks.report_browser", ""], 0
    with tempfile.TemporaryDirectory() as work:
        page = report(Path(work))
        for width in WIDTHS:
            for scheme in SCHEMES:
                found = look(command, page, width, scheme, args.keep)
                right = is_right(found, width, scheme)
                wrong += not right
                figures = f"{found.get('drawn')} drawings in {found.get('figures')} figures, text {found.get('text')}"
                lines.append(f"{width:5} px {scheme:6} {'right' if right else 'WRONG'}: {figures}")
                if not right:
                    lines.append(f"      {found}")
    sys.stdout.write("\n".join(lines) + "\n")
    if args.output:
        args.output.write_text("\n".join(lines) + "\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
