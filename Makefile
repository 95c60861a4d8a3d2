# Every target does its own set-up: one shared .venv, rebuilt only when pyproject.toml or constraints.txt change.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export LLMOPS_HOME ?= $(CURDIR)/.llmops

.DEFAULT_GOAL := help
.PHONY: help install demo ui mlflow test test-all lint benchmarks schema next-week this-week

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(STAMP) ## Create or update .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq -c constraints.txt torch
	$(BIN)/python -m pip install -qq -c constraints.txt -e '.[test]'
	$(BIN)/python -m pip check
	@touch $@

demo: $(STAMP) ## Documents to a promoted release (the main job)
	@$(BIN)/llmops run quickstart

ui: $(STAMP) ## Dagster UI on http://127.0.0.1:3000
	@$(BIN)/llmops ui

mlflow: $(STAMP) ## MLflow UI on http://127.0.0.1:5001
	@$(BIN)/llmops mlflow


test: $(STAMP) ## The fast tests; every test where CI is set
	@$(BIN)/python -m pytest -n 2 --dist loadfile
	@$(if $(CI),$(BIN)/python -m pytest -m slow)

test-all: ## Every test: also the journey, the browser, DeepSpeed and PostgreSQL (needs chromium)
	@$(MAKE) --no-print-directory test CI=true

lint: $(STAMP) ## Style of the code
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

benchmarks: $(STAMP) ## Ours beside its peers, small sizes (benchmarks/README.md has the rest)
	@$(BIN)/python -m pip install -qq -c constraints.txt -r benchmarks/requirements.txt
	@for each in chunking near_duplicates embedding vector_store incremental whole_path training oncall; do \
	  echo "== $$each"; $(BIN)/python benchmarks/$$each.py || exit 1; done
	@echo "== dagster_overhead"; $(BIN)/python benchmarks/dagster_overhead.py --no-pipeline

schema: $(STAMP) ## Write configs/schema from the words in llmops_pipelines/config
	@$(BIN)/python -m llmops_pipelines.config.schema

next-week: $(STAMP) ## Bring the quickstart documents to next week's state (undo: make this-week)
	@cp -r configs/quickstart/revisions/next_week/{documents,questions} configs/quickstart/
	@cd configs/quickstart/documents && xargs -d '\n' rm -f < ../revisions/next_week/deleted.txt

this-week: ## Bring the quickstart documents back to the committed state
	@git checkout -- configs/quickstart/{documents,questions} && git clean -fdq configs/quickstart/{documents,questions}
