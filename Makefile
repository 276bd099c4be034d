# Both targets need nothing but make and Python 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN := $(VENV)/bin
SOURCES := $(shell find stellar_tf tfrecords_tools configs -type f -not -name "*.pyc")

.PHONY: demo test slow lint docs clean

demo: $(VENV)/installed
	$(BIN)/stellar-tf demo $(DEMO)
	@echo "report: $(abspath $(DEMO))/run/analysis/report.html"
	@echo "to go on:"
	@echo "  . $(VENV)/bin/activate"
	@echo "  stellar-tf explore $(DEMO)/run"

test: $(VENV)/installed-test lint docs
	$(BIN)/python -m pytest -n auto

# The tests that take minutes.
slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'stellar_tf/*.py' 'tfrecords_tools/*.py')

# A warning is an error: a broken link, a docstring that is no reStructuredText.
docs: $(VENV)/installed-test
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs docs/build/html
	@echo "docs: $(abspath docs/build/html/index.html)"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "stellar-tf needs Python 3.11 or later: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# As a user installs it, unless it is there for the tests already. What an earlier build
# left in build/ would go into the wheel.
$(VENV)/installed: $(VENV)/bin/python setup.cfg pyproject.toml $(SOURCES)
	rm -rf build
	test -e $(VENV)/installed-test || $(BIN)/python -m pip install --quiet '.[explore]'
	touch $@

$(VENV)/installed-test: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) $(DEMO) build dist docs/build docs/api *.egg-info
