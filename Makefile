# Everything runs in .venv; `make setup` makes it, and the other targets call it.
PYTHON ?= python3
DURATION ?= 120
SEED ?= 1
SCENARIO ?= storm
SEEDS ?= 1..1000
JOBS ?= 2
REGD := ../shared/data/agc/pjm_regd_2017-08-01T16_2s.csv.gz
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup broker demo kernels test bench accept campaign nightly mutate sbom audit oracle lint lock docs site clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## make .venv and install everything, pinned and with hashes

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "vppd needs Python 3.11 or newer; try: make PYTHON=python3.12 setup"; exit 3; }
	@echo "installing into $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The bench runs MQTT over mosquitto; where it cannot be installed it uses the broker inside iotcore.
broker:
	@command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        echo "installing mosquitto (MQTT broker of the bench)"; \
	        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mosquitto; } >/dev/null 2>&1 \
	        || echo "mosquitto could not be installed; the bench uses its embedded broker"; \
	    else \
	        echo "mosquitto is not installed (apt-get install mosquitto); the bench uses its embedded broker"; \
	    fi; }

# On all cores and before anything waits for it: alone, a daemon needs most of a minute for it.
kernels: setup
	@$(BIN)/python tests/compile_kernels.py

demo: setup broker kernels  ## run a 175 MW plant for DURATION seconds: real daemon, 210 simulated DERs, a TSO
	@$(BIN)/vppd-hil run zhejiang --clock real --duration $(DURATION) --seed $(SEED) --out build/demo

test: setup broker kernels  ## the whole test suite, in JOBS processes
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --max-worker-restart 0

bench: setup  ## benchmarks, peers side by side; writes build/bench/
	@$(BIN)/python -m benchmarks.run --out build/bench

accept: setup broker  ## the runs that take longer, each against its limits; writes build/accept/
	@$(BIN)/vppd-hil accept --seed $(SEED) --out build/accept
	@$(BIN)/vppd-hil accept --clock virtual --seed $(SEED) --out build/accept/virtual
	@test -f $(REGD) || echo "tracking on recorded RegD: skipped, $(REGD) is not here"
	@$(BIN)/python -m pytest --accept -m accept -rA
	@$(BIN)/python tests/journal/accept.py $(SEED) build/accept/journal.json
	@$(BIN)/python tests/console/accept.py build/accept/console.json
	@$(BIN)/vppd-hil tracking $(if $(wildcard $(REGD)),--signal $(REGD):regd_pu) --out build/accept/tracking

campaign: setup  ## SCENARIO (storm) over SEEDS (1..1000) in virtual time, on all cores; writes build/campaign/
	@$(BIN)/vppd-hil campaign $(SCENARIO) --seeds $(SEEDS) --out build/campaign

# Other seeds each night: 10,000 a day, counted from 1970.
nightly: setup  ## 10,000 seeds that no night had before; writes build/nightly/
	@first=$$(( $$(date +%s) / 86400 * 10000 )); \
	    $(BIN)/vppd-hil campaign $(SCENARIO) --seeds $$first..$$((first + 9999)) --out build/nightly

mutate: $(VENV)/.mutate  ## mutants of the core and the kernels against their tests; writes docs/mutation.md (an hour)
	@$(BIN)/python tests/mutation/run.py

# Apart from requirements.lock: it brings 30 packages that nothing else needs.
$(VENV)/.mutate: $(STAMP) requirements-mutate.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-mutate.lock
	@touch $@

# Apart, too: they judge the others.
$(VENV)/.audit: $(STAMP) requirements-audit.lock
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-audit.lock
	@touch $@

sbom: $(VENV)/.audit  ## write build/sbom.cdx.json (CycloneDX 1.6) of what the daemon runs with
	@mkdir -p build
	@$(VENV)/audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --spec-version 1.6 --output-reproducible \
	    --output-format JSON --output-file build/sbom.cdx.json requirements-run.lock
	@echo "build/sbom.cdx.json"

# --strict: without it, pip-audit that reaches no database says that all is well.
audit: $(VENV)/.audit  ## hold what the daemon runs with against the database of known weaknesses
	@$(VENV)/audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement requirements-run.lock \
	    > build/audit.txt 2>&1 && cat build/audit.txt || { cat build/audit.txt; \
	    grep -qE "Found [0-9]+ known" build/audit.txt && echo "the audit found what stands above" \
	    || echo "NOT AUDITED: the database of weaknesses could not be reached; run it where there is a network"; exit 1; }

oracle: setup  ## install the German aFRR scorer that the tests compare with, where it is there
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements-oracle.lock

lint: setup  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host \
    --no-emit-find-links --allow-unsafe --strip-extras

lock: setup  ## pin every dependency anew: requirements.lock (all), -run.lock (the daemon), -mutate.lock, -audit.lock
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(COMPILE) --extra hil --extra dev --extra parquet --extra otel --extra docs --extra questions --output-file requirements.lock pyproject.toml
	@$(COMPILE) --constraint requirements.lock --extra mutate --output-file requirements-mutate.lock pyproject.toml
	@$(COMPILE) --constraint requirements.lock --extra audit --output-file requirements-audit.lock pyproject.toml
	@$(COMPILE) --constraint requirements.lock --build-deps-for wheel --output-file requirements-run.lock pyproject.toml

docs: setup  ## write docs/config.md, alarms.md, metrics.md and api.md from their sources, and draw docs/pictures/ from two runs
	@$(BIN)/python -m vppd.runtime.reference docs/config.md
	@$(BIN)/python -m vppd.ops.alarms.page docs/alarms.md
	@$(BIN)/python -m vppd.ops.metrics_page docs/metrics.md
	@$(BIN)/python -m vppd.runtime.api_page docs/api.md
	@$(BIN)/python docs/pictures/draw.py

site: docs  ## build the documentation into build/site: offline, no request leaves it
	@$(BIN)/mkdocs build --quiet --strict --site-dir build/site
	@echo "build/site/index.html"

clean:  ## remove what was built (not .venv)
	@rm -rf build
