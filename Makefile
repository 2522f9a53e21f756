# Two commands do everything on a machine that has Python 3.10 or newer, pip and make:
#   make demo    install what is pinned in constraints.txt into .venv, then run the main job on the digits network, and
#                make that network small, give it exits, and let it live on a synthetic trace of radio energy
#   make test    the same for lint, types and tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test lint types unit clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: setup
	$(BIN)/freeml demo
	$(BIN)/freeml compress examples/digits/digits.onnx --data digits --board msp430fr5994 --target-kb 1.2 -o $(VENV)/digits_small.onnx
	$(BIN)/freeml compile $(VENV)/digits_small.onnx --data digits --board msp430fr5994 --capacitor 33uF --exits auto -o $(VENV)/digits_small
	$(BIN)/freeml traces synth rf-walk --seed 1 --duration 60 --power 400 -o $(VENV)/walk.csv
	$(BIN)/freeml report $(VENV)/digits_small --data digits --trace $(VENV)/walk.csv --arrivals every:0.3s

test: lint types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/pytest -n auto

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
