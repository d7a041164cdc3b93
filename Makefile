# The one door. `make` alone lists what is behind it.
.DEFAULT_GOAL := help
.PHONY: help demo install test sim soak fault planted bench bench-calls bench-acquire bench-growth bench-tricks check coverage asan tsan format
PREFIX ?= /usr/local

help: ## What can be done here
	@sed -nE 's/^([a-z-]+): .*## (.*)/  make \1\t\2/p' Makefile | expand -t 24

demo: ## Install what is missing, then build and run the demo (ARGS="...")
	@scripts/install.sh
	@scripts/install_tools.sh grpcurl
	@bazel build -c opt //examples/demo
	@bazel-bin/examples/demo/demo $(ARGS)

install: ## For builds without Bazel: headers, library, package files, programs (PREFIX=/usr/local, DESTDIR=)
	@scripts/install.sh
	@DESTDIR="$(DESTDIR)" scripts/install_chanpool.sh "$(PREFIX)"

test: ## Install what is missing, then run every test and check; ends with "N passed, N failed"
	@scripts/install.sh
	@scripts/install_tools.sh grpcurl promtool buf interop_go_server grpcio_python
	@scripts/run_tests.sh

sim: ## Simulate pools for SECONDS=60 with fresh seeds, or replay SEED=... or SCRIPT=file; what breaks is shrunk
	@scripts/install.sh
	@scripts/sim.sh --seconds=$(or $(SECONDS),60) $(if $(SEED),--seed=$(SEED)) $(if $(SCRIPT),--script=$(SCRIPT))

soak: ## Quiet pools against stock servers, 4 minutes; faults for MINUTES=10; then `make sim` for HOURS=8
	@scripts/install.sh
	@scripts/install_tools.sh interop_go_server grpcio_python
	@bazel run --noshow_progress --ui_event_filters=-info //tests/interop:quiet_soak -- 240
	@bazel build --noshow_progress //tests/fault:fault_soak
	@bazel-bin/tests/fault/fault_soak --minutes=$(or $(MINUTES),10)
	@scripts/sim.sh --seconds=$$(awk 'BEGIN { print 3600 * $(or $(HOURS),8) }') --progress=60

fault: ## What is lost, and for how long, when servers and networks fail; 6 minutes (ARGS="--case=reset", "--list")
	@scripts/install.sh
	@bazel build --noshow_progress //tests/fault:fault_runner
	@bazel-bin/tests/fault/fault_runner $(ARGS)

planted: ## Plant known bugs in the engine, one at a time: which check finds each; 10 minutes at most
	@scripts/install.sh
	@tests/planted/look.py $(ARGS)

bench: ## Build and run the benchmarks, 5 minutes (ARGS="--rounds=3": rough and quick)
	@scripts/bench.sh $(ARGS)

bench-calls: ## Calls beside plain channels and hand-written round robin, 5 minutes (ARGS="--only=in-flight,cpu", "--help")
	@scripts/install.sh
	@bazel build --noshow_progress --ui_event_filters=-info //bench:call_ratios //examples/demo:upstream
	@bazel-bin/bench/call_ratios $(ARGS)

bench-acquire: ## Acquire + release beside four other pools, 4 minutes (ARGS="--rounds=2 --measure-ms=100": rough)
	@scripts/install.sh
	@bench/peers/compare.py $(ARGS)

bench-growth: ## What grows with connections, waiters and pools, and what readers of statistics cost, 2 minutes
	@scripts/install.sh
	@bazel build --noshow_progress //bench:growth_benchmark
	@bazel-bin/bench/growth_benchmark $(ARGS)

bench-tricks: ## What each trick of the fast path saves (docs/fast-path.md), 1 minute
	@scripts/install.sh
	@bench/tricks/measure.py $(ARGS)

check: ## Format, lock annotations (clang), rules of tests/tidy, proto files (buf)
	@scripts/install.sh
	@scripts/install_tools.sh buf
	@scripts/check.sh

coverage: ## Lines and branches of pool/core that its tests execute; below 95 % and 90 % it fails (ARGS="--html=FOLDER")
	@scripts/install.sh
	@scripts/coverage.py $(ARGS)

asan: ## All tests under address and undefined-behaviour sanitizers
	@bazel test --config=asan //...

tsan: ## All tests under the thread sanitizer
	@bazel test --config=tsan //...

format: ## Format all C++
	@git ls-files -z --cached --others --exclude-standard '*.h' '*.cc' | xargs -0 --no-run-if-empty clang-format-14 -i
