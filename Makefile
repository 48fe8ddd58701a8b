# Commands of daily work. Each installs what it needs; a fresh machine needs Python 3.11+, make and a package index.
# Nothing is downloaded again until a requirements file changes.

VENV := .venv
PYTHON := $(VENV)/bin/python
ARGS ?=
NAME ?=
# Also where the shell forbids byte code: it saves seconds of each run, and half a second of each process that tests start.
unexport PYTHONDONTWRITEBYTECODE

# A stamp is newer than the requirements that are installed.
RUN := $(VENV)/.installed-embedded
TEST := $(VENV)/.installed-test
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test quick check bench fuzz fidelity reference docs screenshots wheel requirements advisories audit sbom chromium clean
.DELETE_ON_ERROR:

help:
	@echo "make demo          everything on one machine (ARGS=--once: sync once, then exit)"
	@echo "make test          the tests (ARGS='-k name' and so on)"
	@echo "make quick         the quick tests, under 90 seconds"
	@echo "make check         format, lint, types, layers, structure, Lua, migrations, upgrades, templates, packages"
	@echo "make bench         what the parts cost, beside the bare libraries (NAME=once for one, ARGS for its arguments)"
	@echo "make fidelity      HighLevel's SDKs as clients of the sandbox; Prism judges every operation (needs npm)"
	@echo "make docs          the documentation as a site, with search (ARGS='--site-dir DIR')"
	@echo "make screenshots   those of the documents, of a demo that it starts (needs Chromium)"
	@echo "make advisories    fetch the known vulnerabilities of the locked packages (FROM=PATH without a network)"
	@echo "make audit         compare the locked packages with OSV as it is now"
	@echo "make sbom          write sbom.cdx.json: the packages of production with hashes and licences (CycloneDX)"
	@echo "make fuzz          random requests to the public endpoints for 15 minutes (ARGS='--minutes 1')"
	@echo "make chromium      a browser for the browser tests"
	@echo "make requirements  lock requirements/*.in anew (needs uv)"
	@echo "make clean         remove what make made, the development database included"

# Ctrl-C is how a demo ends, so it is no error; the trap keeps the shell, and with it make, from reporting one.
demo: $(RUN)
	@trap : INT; $(PYTHON) manage.py demo $(ARGS) || [ $$? -eq 130 ]

# One more process than cores, because many tests wait for a clock or a server; how they are ordered: `tests/plugin/costs.py`.
test: $(TEST)
	@$(PYTHON) -m pytest -n 3 --dist worksteal $(ARGS)

# Left out is what took three quarters of the suite's time when it was measured: tests marked slow (most of a second or
# longer) or browser, and those that `tests/plugin/costs.py` marks by their fixtures, because they commit to the database
# or call the sandbox. What is left is two thirds of all cases, and every new test that is not such a one.
quick: $(TEST)
	@$(PYTHON) -m pytest -n 2 --dist worksteal -m "not (slow or browser or commits or vendor)" $(ARGS)

check: $(DEV)
	@echo "format" && $(VENV)/bin/ruff format --check --quiet .
	@echo "lint" && $(VENV)/bin/ruff check --quiet .
	@echo "types" && $(PYTHON) -m hlapp.development $(VENV)/bin/mypy
	@echo "layers" && $(VENV)/bin/lint-imports --no-cache >$(VENV)/layers.log 2>&1 || { cat $(VENV)/layers.log; exit 1; }
	@echo "structure, Lua" && output=$$($(PYTHON) -m pytest -q --noconftest -p no:randomly -p no:django \
		tests/test_structure.py tests/test_lua.py 2>&1) || { echo "$$output"; exit 1; }
	@echo "migrations" && DEBUG=true $(PYTHON) manage.py makemigrations --check --dry-run
	@echo "upgrades" && DEBUG=true $(PYTHON) manage.py upgrade --lint
	@echo "templates" && $(VENV)/bin/djlint --lint --quiet --ignore H030,H031 hlapp/templates integrations apps
	@echo "advisories, licences" && $(PYTHON) -m supply check

# Needs a network, or FROM=<folder or archive of OSV files>.
advisories: $(DEV)
	@$(PYTHON) -m supply refresh $(if $(FROM),--from $(FROM))

audit: $(DEV)
	@$(PYTHON) -m supply audit

sbom: $(DEV)
	@$(PYTHON) -m supply sbom sbom.cdx.json $(ARGS)

# Each bench has arguments of its own, so ARGS needs the NAME of one.
bench: $(DEV)
	@test -n "$(NAME)" || test -z "$(ARGS)" || { echo "ARGS needs NAME: make bench NAME=once ARGS='--writes 300'" >&2; exit 1; }
	@for name in $(if $(NAME),bench_$(NAME),$(sort $(basename $(notdir $(wildcard bench/bench_*))))); do \
		$(PYTHON) -m bench.$$name $(ARGS) || exit 1; \
	done

# The SDKs are HighLevel's, Prism is Stoplight's: they are installed beside the project, and nothing of ours imports them.
# Prism judges by HighLevel's OpenAPI files, which are in the folder that HIGHLEVEL_REFERENCE names.
SDKS := .hlapp/fidelity
PRISM := 5.14.2
fidelity: $(DEV)
	@test -x $(SDKS)/python/bin/python || $(PYTHON) -m venv $(SDKS)/python
	@$(SDKS)/python/bin/pip install -q gohighlevel-api-client
	@npm install --silent --no-audit --no-fund --prefix $(SDKS)/node @gohighlevel/api-client
	@$(PYTHON) -m fidelity.run $(SDKS)/python/bin/python $(CURDIR)/$(SDKS)/node
	@npm install --silent --no-audit --no-fund --prefix $(SDKS)/prism @stoplight/prism-cli@$(PRISM)
	@$(PYTHON) -m fidelity.prism $(SDKS)/prism/node_modules/.bin/prism $(SDKS)/documents $(ARGS)

fuzz: $(DEV)
	@$(PYTHON) -m bench.fuzz.fuzz_requests $(ARGS)

# Without the isolation of `build`: hatchling is one of the locked packages.
wheel: $(DEV)
	@$(PYTHON) -m build --no-isolation --wheel --outdir dist .

# docs/reference.md from the public surface; a test says when it is old.
reference: $(DEV)
	@DEBUG=true $(PYTHON) manage.py reference --out docs/reference.md

# Strict: a link or an anchor that leads nowhere fails.
docs: $(DEV)
	@$(PYTHON) -m mkdocs build --strict --quiet $(ARGS)
	@echo "read it in .hlapp/site/index.html, or at http://127.0.0.1:8008 with $(PYTHON) -m mkdocs serve --dev-addr 127.0.0.1:8008"

# Of a demo that it starts; a person looks at them before they are committed.
screenshots: $(DEV)
	@$(PYTHON) docs/site/screenshots.py

# In this order: each file is a constraint of the next.
requirements:
	@command -v uv >/dev/null || { echo "make requirements needs uv: pip install uv" >&2; exit 1; }
	@for set in base embedded test dev parquet observability; do \
		echo "locking requirements/$$set.txt"; \
		uv pip compile requirements/$$set.in --universal --python-version 3.11 --generate-hashes --no-header \
			--quiet --output-file requirements/$$set.txt $(ARGS) || exit 1; \
	done

chromium:
	@if path=$$(command -v chromium-headless-shell || command -v chromium || command -v chromium-browser || command -v google-chrome); then \
		echo "found $$path"; \
	elif command -v brew >/dev/null; then brew install --cask chromium; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && { apt-get install -y -qq chromium-headless-shell || apt-get install -y -qq chromium; }; \
	else \
		echo "install one, e.g. sudo apt-get install chromium, or set CHROMIUM to its path" >&2; exit 1; \
	fi

clean:
	@rm -rf $(VENV) .hlapp staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements/base.txt requirements/embedded.txt | $(VENV)/bin/pip
	@sh .ci/install "$@" "the packages that run it" $^

$(TEST): requirements/test.txt requirements/observability.txt $(RUN)
	@sh .ci/install "$@" "the packages that test it" $(filter %.txt,$^)

$(DEV): requirements/dev.txt $(TEST)
	@sh .ci/install "$@" "the packages that check it" $<

$(VENV)/bin/pip:
	@sh .ci/environment $(VENV)
