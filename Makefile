# `make` alone lists what there is. Every target sets up what it needs first.

SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=
PYTEST := .venv/bin/python -m pytest
# Two processes with servers and databases of their own; what takes long comes first.
# ARGS="-n 0" runs one test after the other.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
# Servers start by the dozen: with bytecode they need not compile what the last one did.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="…" is passed on: make serve ARGS="--port 9000", make test ARGS="-k cookies"'

.PHONY: setup
setup: ## virtual environment with pinned dependencies; nothing if it is there
	@tools/setup all

.PHONY: setup-test
setup-test:
	@tools/setup all,test

.PHONY: serve
serve: setup ## start the server at http://127.0.0.1:8700
	@exec .venv/bin/windlass serve $(ARGS)

.PHONY: test
test: setup-test ## all tests; set up what is missing
	@exec $(PYTEST) $(SIDE_BY_SIDE) $(ARGS)

.PHONY: unit
unit: setup-test ## are the rules right? nothing outside the process
	@exec $(PYTEST) tests/unit $(ARGS)

.PHONY: contract
contract: setup-test ## does the vendor's unmodified SDK work?
	@exec $(PYTEST) tests/contract $(SIDE_BY_SIDE) $(ARGS)

.PHONY: e2e
e2e: setup-test ## does a person get what they came for?
	@exec $(PYTEST) tests/e2e $(SIDE_BY_SIDE) $(ARGS)

.PHONY: fault
fault: setup-test ## what if? a few rounds of every fault
	@exec $(PYTEST) tests/fault $(ARGS)

.PHONY: soak
soak: setup-test ## the faults at full size
	@FAULT_ROUNDS=20 exec $(PYTEST) tests/fault $(ARGS)

.PHONY: bench
bench: setup-test ## how fast, how much, beside peers (ARGS: accept pages peers …, webhooks uploads dead …)
	@exec .venv/bin/python -m bench $(ARGS)

.PHONY: bench-crawl
bench-crawl: setup-test ## a whole site, beside Scrapy, Crawlee, Crawl4AI and wget
	@exec .venv/bin/python -m bench crawl $(ARGS)

.PHONY: bench-recipes
bench-recipes: setup-test ## 30 fields of real pages, beside parsel
	@exec .venv/bin/python -m bench recipes $(ARGS)

.PHONY: bench-render
bench-render: setup-test ## how fast are pages rendered, beside Playwright and Crawl4AI? (ARGS: how many)
	@exec .venv/bin/python -m bench.render $(ARGS)

.PHONY: demo
demo: setup-test ## a site, a server and a first extraction on loopback, to look at
	@exec .venv/bin/python -m tools.demo $(ARGS)

.PHONY: fmt
fmt: setup-test ## format and fix what can be fixed
	@.venv/bin/ruff check --quiet --fix src tests bench tools || true
	@.venv/bin/ruff format src tests bench tools

.PHONY: docs
docs: setup-test ## make what is generated of the documentation
	@.venv/bin/python -m tools.reference

.PHONY: lint
lint: setup-test ## style, types, layers, sizes, docs
	.venv/bin/ruff check src tests bench tools
	.venv/bin/ruff format --check src tests bench tools
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python tools/sizes.py
	.venv/bin/python -m tools.reference --check

.PHONY: clean
clean: ## remove what setup and tests made here; no data
	@rm -rf .venv .setup.lock .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist src/*.egg-info
