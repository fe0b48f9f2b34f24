# `make` alone lists what there is.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
IN := $(VENV)/bin
MUTANTS := .local/mutants
RUSSIAN := users/locale/ru/LC_MESSAGES/django
GRAPHIQL := schema/static/schema/vendor
# npm/ and not here: Heroku takes whatever has a package.json in its root for a Node.js application.
FETCHED := npm/node_modules/fetched
NPM_CI := cd npm && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000

# What a person's own settings of pip would do to a virtual environment is not meant for this one.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN PIP_REQUIRE_HASHES PIP_NO_DEPS

.DEFAULT_GOAL := help
.PHONY: help run dev example graphiql manage upgrade-db test messages pictures bench scorecard faults mutants lint ci
.NOTPARALLEL:

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## start Zovi on http://127.0.0.1:8000, with everything it needs
	@test ! $(FETCHED) -nt npm/package-lock.json || $(MAKE) --silent $(GRAPHIQL)/installed 2>/dev/null || true  # optional
	@exec $(IN)/python manage.py serve --prepare --beside '$(MAKE) $(FETCHED)'

dev: $(VENV)/installed-dev $(GRAPHIQL)/installed ## the same with auto-reload, one process
	@$(IN)/python manage.py migrate --verbosity 0
	@exec $(IN)/python manage.py runserver

example: $(VENV)/installed ## start the app of examples/spa, and the Zovi it needs
	@exec $(IN)/python -m examples.serve

graphiql: $(GRAPHIQL)/installed ## fetch GraphiQL's files now, for the next start

manage: $(VENV)/installed ## any command of manage.py: make manage ARGS="createsuperuser"
	@exec $(IN)/python manage.py $(ARGS)

upgrade-db: $(VENV)/installed ## move the embedded database to the newest PostgreSQL that came along
	@exec $(IN)/python manage.py upgrade_db

test: $(VENV)/installed-dev npm/node_modules/fetched-dev $(GRAPHIQL)/installed ## run the whole test suite against a real PostgreSQL
	@$(IN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

messages: $(VENV)/installed-dev ## compile the Russian texts, after a change of django.po
	@$(IN)/python -c "import polib; polib.pofile('$(RUSSIAN).po').save_as_mofile('$(RUSSIAN).mo')"

pictures: $(VENV)/installed-dev $(GRAPHIQL)/installed ## take the pictures of the READMEs anew, in Chromium
	@CI=1 $(IN)/python -m pytest tests/browser/test_pictures.py
	@cp .local/screenshots/ticket-*.png docs/pictures/

bench: $(VENV)/installed-bench bench/node_modules/fetched ## measure Zovi beside its baselines into bench/RESULTS.md (ARGS=--short: only see that it runs)
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

# GraphiQL's files come from npm, for `make run` beside the running server: it serves them from the next start on. Until
# then, and where npm is missing or has no network, the page says so.
$(FETCHED): npm/package-lock.json
	@command -v npm >/dev/null || { echo "GraphiQL comes with npm, and npm is missing: on Debian, apt install npm"; exit 0; }; \
	echo "Fetching GraphiQL (once) ..."; \
	$(NPM_CI) --omit=dev && touch ../$@ || echo "npm could not fetch GraphiQL: see what it says above"

$(GRAPHIQL)/installed: $(FETCHED)
	@test ! -e $< || { mkdir -p $(GRAPHIQL) && cd npm && \
	cp node_modules/graphiql/graphiql.min.js node_modules/graphiql/graphiql.min.css \
		node_modules/react/umd/react.production.min.js \
		node_modules/react-dom/umd/react-dom.production.min.js ../$(GRAPHIQL) && \
	touch ../$@; }

# What the tests need of npm. Without it they are skipped and say so.
npm/node_modules/fetched-dev: npm/package-lock.json
	@command -v npm >/dev/null || exit 0; \
	echo "Fetching newman and axe (once) ..."; \
	$(NPM_CI) --include=dev && touch ../$(FETCHED) ../$@ || echo "npm could not fetch it"

$(VENV)/made:
	@test -n "$(PYTHON)" || { echo "Zovi needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing: on Debian, apt install python3-venv"; exit 1; }
	@echo "Zovi: making a virtual environment in $(VENV) (once) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Zovi needs that virtual environment: see what Python says above"; exit 1; }
	@touch $@

# pip is told to say every step, and of these the useful ones are shown; all of them when it fails.
define install
	@echo "Zovi: installing $$(grep -c == $<) packages (once) ..."; rm -f $@; \
	{ $(IN)/python -m pip install --disable-pip-version-check --no-compile --progress-bar off -r $< 2>&1 && touch $@; } | \
	tee $(VENV)/pip.log | { fetched=0; while IFS= read -r step; do case $$step in \
		Collecting*) fetched=$$((fetched + 1)); test $$((fetched % 10)) != 0 || echo "  $$fetched fetched ...";; \
		"Installing collected"*) echo "  putting them in place ...";; \
	esac; done; }; \
	test -e $@ || { tail -n 20 $(VENV)/pip.log; echo "Zovi: pip could not install them; the next make goes on from here"; exit 1; }
endef

$(VENV)/installed: requirements.txt $(VENV)/made
	$(install)

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(install)

$(VENV)/installed-bench: bench/requirements.txt $(VENV)/installed
	$(install)

# better-auth, one of the baselines. Where it cannot be had, its rows stay empty.
bench/node_modules/fetched: bench/package-lock.json
	@command -v npm >/dev/null || exit 0; \
	echo "Zovi: fetching better-auth (once) ..."; \
	$(subst cd npm,cd bench,$(NPM_CI)) && touch ../$@ || echo "npm could not fetch it"
