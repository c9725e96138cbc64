# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.built
LOG := $(VENV)/build.log
PIP := $(BIN)/python -m pip install --disable-pip-version-check
PACKAGES := engine replication gateway
WHEELS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quorumbook/wheels
QUICKFIX := $(PIP) -q --no-deps --no-index --find-links $(WHEELS) quickfix
SOURCES := $(wildcard $(foreach package,$(PACKAGES),$(package)/*.pyx $(package)/*.pxd)) setup.py pyproject.toml

.PHONY: run test test-long test-interop sim sanitize fuzz lint build clean bench bench-long docs

build: $(STAMP)

$(BIN)/python:
	@sh deploy/check-tools.sh $(PYTHON)
	@$(PYTHON) -m venv $(VENV)

# Quiet while it goes well; what pip and the compiler say is in the log, and shown when the build fails.
$(STAMP): $(BIN)/python $(SOURCES)
	@echo "Building into $(VENV) (five minutes of processor time; what it says goes to $(LOG)) ..."
	@{ while sleep 20 >/dev/null 2>&1 && kill -0 $$$$ 2>/dev/null; do echo "  still building ..."; done & } ; \
	ticking=$$!; \
	{ $(PIP) --upgrade pip && $(PIP) --editable '.[dev]' --config-settings editable_mode=compat; } >$(LOG) 2>&1; \
	built=$$?; kill $$ticking; [ $$built = 0 ] \
		|| { grep -i -A 4 'error' $(LOG) | head -n 60; echo "The build failed; all it said is in $(LOG)"; exit 1; }
	@touch $(STAMP)

run: build
	@$(BIN)/quorumbook cluster

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint $(PACKAGES) tests/fuzz
	$(BIN)/mypy

test: build lint
	$(BIN)/pytest -q -n 2 --dist loadgroup -m 'not slow'

test-long: build
	$(BIN)/pytest -q -n 2 --dist loadgroup

# Trading with QuickFIX, whose wheel is built once for each Python and kept in WHEELS.
test-interop: build
	@mkdir -p $(WHEELS)
	@$(QUICKFIX) 2>/dev/null || { \
		echo "Building QuickFIX, which takes ten minutes; its wheel is kept in $(WHEELS) ..."; \
		$(BIN)/python -m pip wheel -q --no-deps --wheel-dir $(WHEELS) quickfix && $(QUICKFIX); }
	$(BIN)/pytest -q tests/interop

# Lives of simulated clusters until stopped; SEED=n lives one again, with a trace.
sim: build
	cd tests/simulation && PYTHONPATH=. ../../$(BIN)/python simulate.py $(SEED)

# The suite with AddressSanitizer and UndefinedBehaviorSanitizer in the compiled modules, in a copy under build/. No
# worker starts again after a finding: pytest would wait for ever for the tests that went with it.
sanitize:
	PYTHON="$(PYTHON)" tests/sanitized.sh -m pytest -q -x -n 2 --dist loadgroup --max-worker-restart=0 \
		-m 'not slow' $(SANITIZE)

# Messages changed at random, by the compiled scanner and the exchange, with the same sanitizers.
fuzz:
	PYTHON="$(PYTHON)" PYTHONPATH=tests/gateway:tests/processes tests/sanitized.sh tests/fuzz/fuzz.py --cases $(or $(CASES),10000000) --seed $(or $(SEED),1)

bench: build
	$(BIN)/python -m bench $(BENCH)

# An hour of full load on three replicas: fails when there was an election that nobody wanted.
bench-long: build
	$(BIN)/python -m bench.replicate --rounds 0 --messages 0 --seconds 3600 --no-elections

docs: build
	$(PIP) -qq --group docs
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build

clean:
	rm -rf $(VENV) build dist *.egg-info docs/_build .hypothesis .pytest_cache .mypy_cache .ruff_cache
	rm -f $(foreach package,$(PACKAGES),$(package)/*.c $(package)/*.so)
	find . -name __pycache__ -prune -exec rm -rf {} +
