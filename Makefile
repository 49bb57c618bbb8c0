# Two commands on a machine with Python 3.11 or newer and nothing else: `make demo` and `make test`.
# The packages are installed as a user installs them, not editable: what is shown and tested is what ships.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml README.md cli.py $(shell find refsnn hwmodel specs -type f -not -path '*/__pycache__/*')

# the kernels once more, with every array access checked and as plain Python
KERNEL_TESTS := tests/property/test_simulation_laws.py tests/property/test_neuron_laws.py tests/property/test_packed_laws.py -k "naive or interpreter or integrate or enumeration or packed or fan_in or changes_nothing"

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(BIN)/refsnn demo

test: $(VENV)/.installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/numba-boundscheck $(BIN)/pytest -q -n 2 $(KERNEL_TESTS)
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -q -n 2 $(KERNEL_TESTS)

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "refsnn needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12 demo" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/pip $(SOURCES)
	$(BIN)/pip install --disable-pip-version-check --quiet --upgrade .
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/bin/pip $(SOURCES)
	$(BIN)/pip install --disable-pip-version-check --quiet --upgrade ".[test]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
