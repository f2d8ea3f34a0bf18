# The commands of the project. `make` lists them.
VENV := .venv
RUN := $(VENV)/bin/python
TYPED := core store api worker migrations client/retort docs tests
NODE := node_modules/.bin
PRETTY := web package.json tsconfig.json eslint.config.js

.DEFAULT_GOAL := help
.PHONY: catalogue help setup demo up check test lint format docs lock clean

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

# All tests together are shared by a process for every core. At most four: each of them loads PyTorch.
SHARED := -n logical --maxprocesses 4 --dist loadfile

check: lint ## what to wait for before a commit: lint and the quick tests that need no server
	$(RUN) -m pytest $(SHARED) -m "not slow and not servers"

test: $(VENV)/.test ## run all tests; PYTEST_ARGS=... narrows them
	$(RUN) -m pytest $(or $(PYTEST_ARGS),$(SHARED))

lint: $(VENV)/.test node_modules/.package-lock.json ## style, types and the arrows between the parts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy $(TYPED)
	$(VENV)/bin/lint-imports
	$(NODE)/prettier --check $(PRETTY)
	$(NODE)/eslint web
	$(RUN) -m docs.generator.openapi build/openapi.json
	$(NODE)/openapi-typescript build/openapi.json --output build/openapi.d.ts
	$(NODE)/tsc --project .

# Only the checks of web/ need node: the service runs without it.
node_modules/.package-lock.json: package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo "make: npm is missing. The checks of web/ need Node.js 18.18 or newer with npm;" \
		"on Debian: apt-get install nodejs npm" >&2; exit 1; }
	npm ci --no-progress
	@touch $@

format: $(VENV)/.test node_modules/.package-lock.json ## let ruff and prettier rewrite the files
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(NODE)/prettier --write $(PRETTY)

catalogue: $(VENV)/.test ## write store/catalogue.json anew, after a change of networks or of the locked libraries
	$(RUN) -m core catalogue > store/catalogue.json.new && mv store/catalogue.json.new store/catalogue.json

docs: $(VENV)/.test ## write the pages of docs/reference anew from the code
	$(RUN) -m docs.generator

lock: $(VENV)/.embedded ## pin again what pyproject.toml asks for (UPGRADE=--upgrade takes the newest)
	sh requirements/lock.sh $(UPGRADE)

clean: ## remove everything that was made here, .venv and ./var included
	rm -rf $(VENV) node_modules var runs build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
