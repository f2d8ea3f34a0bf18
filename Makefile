# The commands of the project. `make` lists them.
VENV := .venv
RUN := $(VENV)/bin/python
TYPED := client/retort store api worker core/spec core/errors.py core/events.py core/policy.py

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint format lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(VENV)/.embedded ## make .venv with what `retort up` needs (PYTHON=... picks the interpreter)

# One stamp per lock: nothing runs while the locks and both pyproject.toml are older than the last installation.
$(VENV)/.%: requirements/%.txt requirements/build.txt requirements/install.sh pyproject.toml client/pyproject.toml
	@PYTHON="$(PYTHON)" sh requirements/install.sh $*

demo: setup ## train a teacher, specialize it, prove it: the whole service in under two minutes
	@$(RUN) -m retort.demo

up: setup ## run the service on http://127.0.0.1:8000 with its data in ./var
	@$(VENV)/bin/retort up

test: $(VENV)/.test ## run all tests; PYTEST_ARGS=... narrows them
	$(RUN) -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.test ## style, types and the arrows between the parts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy $(TYPED)
	$(VENV)/bin/lint-imports

format: $(VENV)/.test ## let ruff rewrite the files
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: $(VENV)/.embedded ## pin again what pyproject.toml asks for (UPGRADE=--upgrade takes the newest)
	sh requirements/lock.sh $(UPGRADE)

clean: ## remove everything that was made here, .venv and ./var included
	rm -rf $(VENV) var runs build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
