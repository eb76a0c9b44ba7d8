# `make demo` and `make test` need only Python (3.11 to 3.13) and make: the first run creates .venv
# and installs the pinned versions, later runs start at once. `make test PYTHON=python3.12` has an
# environment of its own, .venv-python3.12.
PYTHON ?= python3
DEMO_OUT ?= demo-out
VENV := .venv$(addprefix -,$(filter-out python3,$(notdir $(PYTHON))))
BIN := $(VENV)/bin
# Two tests at a time, those that share a Ray and a build in one process: 11 minutes instead of 21 on two
# idle cores. `make test PARALLEL=` runs one after the other.
PARALLEL ?= -n 2 --dist loadgroup
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow lint bench floors docs install clean

install: $(STAMP)

# constraints.txt pins what pip resolves.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[build,train,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/webbody demo --out '$(DEMO_OUT)'

test: lint
	$(BIN)/python -m pytest -m 'not slow and not gpu' $(PARALLEL)

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m 'slow and not gpu'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks.build
	$(BIN)/python -m benchmarks.end_to_end
	$(BIN)/python -m benchmarks.download
	$(BIN)/python -m benchmarks.plan
	$(BIN)/python -m benchmarks.manifest
	$(BIN)/python -m benchmarks.model
	$(BIN)/python -m benchmarks.loader
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.evaluate

# Which ratios fall short of benchmarks/floors.yaml; FLOORS="decode ranking" chooses some.
floors: $(STAMP)
	$(BIN)/python -m benchmarks.floors $(FLOORS)

# The documentation as a site, in site/.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv .venv-* build site *.egg-info
