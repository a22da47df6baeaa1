# Two commands for everybody: `make demo` and `make test`. Each sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# reference data that some tests read, where it is at hand
SHARED ?= $(wildcard ../shared/data)

.PHONY: demo test lint viz docs clean

demo: $(INSTALLED)
	$(BIN)/kedro campaign run --env demo

# files run side by side, campaigns first, which take longest, one more than there are cores, since
# many wait; threads inside them would only get in each other's way, and hundreds of processes need
# not compile the package anew where the environment forbids to keep bytecode
test: $(INSTALLED)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder --durations 20 $(if $(SHARED),--shared=$(SHARED))

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

viz: $(INSTALLED)
	$(BIN)/kedro viz run

# the user guide as a site, in site/
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# removes what was installed, never data
clean:
	rm -rf $(VENV)
