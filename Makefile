# From a fresh clone: `make demo` shows it, `make test` proves it. Both set up all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo compare notebooks test audit bench soak freeze check pictures clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m tests.demo

# SAVE=1 keeps the outputs.
notebooks: $(VENV)/.installed
	$(BIN)/python -m tests.run_notebooks

bench: compare
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_failures
	$(BIN)/python -m tests.bench_browser
	$(BIN)/python -m tests.bench_forecast
	$(BIN)/python -m tests.bench_many

# Builds, cancels and faults at random, for MINUTES=10.
soak: $(VENV)/.installed
	$(BIN)/python -m tests.soak

# How right freeze is: a few minutes, most of them for an environment to freeze.
freeze: $(VENV)/.installed
	$(BIN)/python -m tests.freeze_figures

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# This project, flytekitplugins-envd and envd itself in one run; on a machine that does nothing else.
compare: $(VENV)/.installed
	$(BIN)/python -m tests.bench_compare

test: check
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations=20

# Are vulnerabilities known in what is installed? It needs the network, so it is no part of `test`.
audit: $(VENV)/.installed
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python -m tests.audit $(VENV)/audit/bin/pip-audit

pictures: $(VENV)/.installed
	mkdir -p notebooks/pictures
	ENVD_MAGIC_PICTURES=notebooks/pictures $(BIN)/python -m pytest -q tests/test_browser.py tests/test_panel.py \
		-k "result or nothing or bad_input or a_failure" \
		--basetemp=/tmp/envd_magic_pictures

clean:
	rm -rf $(VENV)
