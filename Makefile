# `make` alone lists what there is.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
IN := $(VENV)/bin
MUTANTS := .local/mutants
GRAPHIQL := schema/static/schema/vendor
NPM_CI := npm ci --silent --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000

.DEFAULT_GOAL := help
.PHONY: help run dev test bench scorecard faults mutants lint ci

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed $(GRAPHIQL)/installed ## start Zovi on http://127.0.0.1:8000, with everything it needs
	@exec $(IN)/python manage.py serve --prepare

dev: $(VENV)/installed-dev $(GRAPHIQL)/installed ## the same with auto-reload, one process
	@$(IN)/python manage.py migrate --verbosity 0
	@exec $(IN)/python manage.py runserver $${HOST:-127.0.0.1}:$${PORT:-8000}

test: $(VENV)/installed-dev $(GRAPHIQL)/installed node_modules/installed-dev ## run the whole test suite against a real PostgreSQL
	@$(IN)/python -m pytest $(ARGS)

bench: $(VENV)/installed-bench ## measure Zovi beside its baselines into bench/RESULTS.md (ARGS=--short: only see that it runs)
	@$(IN)/python -m bench.run $(ARGS)

scorecard: $(VENV)/installed-dev ## attack it: every row of tests/attack/scorecard.py, pass or fail, with its figure
	@FULL=1 $(IN)/python -m tests.attack.scorecard $(ARGS)

faults: $(VENV)/installed-dev ## crash, kill, lock and stop the running server, at length
	@FULL=1 $(IN)/python -m pytest tests/attack/test_faults.py $(ARGS)

mutants: ## break the rules in every small way and count how often the tests notice (a quarter of an hour)
	@rm -rf $(MUTANTS) && git clone --quiet . $(MUTANTS)/source && $(PYTHON) -m venv $(MUTANTS)/venv
	@$(MUTANTS)/venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt mutmut==3.8.1
	@mkdir -p docs && cd $(MUTANTS)/source && nice ../venv/bin/python tests/attack/mutants.py $(CURDIR)/docs/mutants.md

lint: $(VENV)/installed-dev ## style, types, who imports whom, missing migrations, container files
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy
	$(IN)/lint-imports
	$(IN)/python manage.py makemigrations --check --dry-run
	$(IN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(IN)/hadolint Dockerfile
	$(IN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose*.yml
	$(IN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# GraphiQL's files come from npm; where it is missing or has no network, the page takes them from a CDN.
$(GRAPHIQL)/installed: package-lock.json
	@command -v npm >/dev/null || exit 0; \
	echo "Fetching GraphiQL (once) ..."; \
	$(NPM_CI) --omit=dev && mkdir -p $(GRAPHIQL) && \
	cp node_modules/graphiql/graphiql.min.js node_modules/graphiql/graphiql.min.css \
		node_modules/react/umd/react.production.min.js \
		node_modules/react-dom/umd/react-dom.production.min.js $(GRAPHIQL) && \
	touch $@ || echo "npm could not fetch it: the GraphiQL page will use a CDN"

# What the tests need of npm. Without it they are skipped and say so.
node_modules/installed-dev: package-lock.json | $(GRAPHIQL)/installed
	@command -v npm >/dev/null || exit 0; \
	echo "Fetching newman and axe (once) ..."; \
	$(NPM_CI) && touch $@ || echo "npm could not fetch it"

$(VENV)/installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Zovi needs Python 3.11 or newer"; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv module is missing: on Debian, apt install python3-venv"; exit 1; }
	@$(IN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@$(IN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/installed-bench: bench/requirements.txt $(VENV)/installed
	@$(IN)/pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@
