# Each target does its own set-up: the virtual environment is made on first use and updated when
# pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo needs local speech and the terminal view; development everything.
RUN_STAMP := $(VENV)/.run-ready
DEV_STAMP := $(VENV)/.dev-ready
NOTEBOOK_STAMP := $(VENV)/.notebook-ready
OUT ?= demo-out
# 114, 128: our startable functions are started by the supervisor. 120: what follows a failed start is shielded or
# synchronous. 124: an actor's body is async by its contract.
ASYNC_OFF := ASYNC114,ASYNC120,ASYNC124,ASYNC128

.PHONY: demo test exhaustive lint format wheel bench bench-full soak notebooks docs clean

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit("callboard needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(VENV)/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[speech,cli]'
	touch $@

$(DEV_STAMP): $(VENV)/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[speech,cli,dev]'
	touch $@ $(RUN_STAMP) $(NOTEBOOK_STAMP)

$(NOTEBOOK_STAMP): $(VENV)/bin/pip pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[speech,notebook]'
	touch $@

demo: $(RUN_STAMP)
	$(BIN)/callboard demo --out $(OUT)

test: $(DEV_STAMP)
	$(BIN)/pytest -n 2

# Every actor of a call killed at every one of its checkpoints, with either provider: some minutes.
exhaustive: $(DEV_STAMP)
	$(BIN)/pytest -m exhaustive

lint: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m flake8_async --enable=ASYNC1,ASYNC2 --disable=$(ASYNC_OFF) $$(git ls-files 'actors/*.py' 'media/*.py' 'protocols/*.py' 'callboard/*.py')

format: $(DEV_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The wheel must hold every module of the tree, and import in an environment of its own.
wheel: $(DEV_STAMP)
	rm -rf build/wheel
	$(BIN)/python -m build --outdir build/wheel .
	$(BIN)/python tests/check_wheel.py build/wheel

# What a call costs beside the bare relay and Pipecat, what small things cost, how fast simulated time goes, and twenty
# calls at once for half a minute, each of them checked: ten minutes. Results are left in build/bench.
bench: $(DEV_STAMP)
	$(BIN)/python benchmarks/concurrent_calls.py --calls 20 --seconds 30
	$(BIN)/python benchmarks/call_cost.py --seconds 12 --repetitions 1 --retries 0
	$(BIN)/python benchmarks/call_cost.py --capacity --seconds 6 --retries 0 --start 120 --systems callboard --configs passthrough
	$(BIN)/python benchmarks/micro.py --quick
	$(BIN)/python benchmarks/simulation.py --calls 4 --minutes 2

# Everything on docs/performance.md, whose tables are renewed: about two hours, on a machine with nothing else to do; as
# root, BENCH="--nice -18 --retries 0" makes it the most urgent thing there is.
bench-full: $(DEV_STAMP)
	$(BIN)/python benchmarks/micro.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/call_cost.py $(BENCH)
	$(BIN)/python benchmarks/call_cost.py $(BENCH) --name call_cost_100 --calls 100 --systems relay,callboard
	$(BIN)/python benchmarks/call_cost.py $(BENCH) --name uplink_batch \
		--systems callboard,callboard-40ms,callboard-60ms,callboard-100ms
	$(BIN)/python benchmarks/call_cost.py $(BENCH) --capacity
	$(BIN)/python benchmarks/overload.py $(BENCH)
	$(BIN)/python benchmarks/performance.py --into docs/performance.md

# Calls that come and go for ten minutes; SOAK="--minutes 120 --provider deepgram" for another one.
soak: $(DEV_STAMP)
	$(BIN)/python benchmarks/soak.py $(SOAK)

# All notebooks from top to bottom, each in a kernel of its own; NOTEBOOKS="--write" keeps the outputs.
notebooks: $(NOTEBOOK_STAMP)
	$(BIN)/python notebooks/execute.py $(NOTEBOOKS)

# The pages that are made from the code.
docs: $(DEV_STAMP)
	$(BIN)/python docs/make_supervision_table.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache $(OUT)
