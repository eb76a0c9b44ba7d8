# `make demo` and `make test` need only Python (3.11 to 3.13) and make: the first run creates .venv
# and installs the pinned versions, later runs start at once.
PYTHON ?= python3
DEMO_OUT ?= demo-out
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-slow lint bench install clean

install: $(STAMP)

# constraints.txt pins what pip resolves.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[build,train,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/webbody demo --out '$(DEMO_OUT)'

test: lint
	$(BIN)/python -m pytest -m 'not slow and not gpu'

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m 'slow and not gpu'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks.build
	$(BIN)/python -m benchmarks.download
	$(BIN)/python -m benchmarks.plan
	$(BIN)/python -m benchmarks.model
	$(BIN)/python -m benchmarks.loader
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.evaluate

clean:
	rm -rf .venv build *.egg-info
