# SPDX-License-Identifier: Apache-2.0
# Short names for what CMake and the scripts in tools/ do. `make help` lists them.

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := all
.PHONY: all demo test crash stress bench bench-full bench-remap install fuzz lint coverage clean help

all: ## build the libraries, the tool, the benchmark and the tests into build/release (default)
	@tools/build release

demo: ## install what is missing, build, look up IPv4 addresses, and compare with RocksDB and SQLite
	@tools/install-dependencies demo
	@tools/build release --target example_ipv4 alexstorage-bench
	@build/release/examples/ipv4
	@build/release/bin/alexstorage-bench --engines alexstorage,rocksdb,rocksdb-stock,sqlite --workloads seed --rounds 5

test: ## install what is missing, build, and run all tests
	@tools/install-dependencies test
	@tools/run-tests

crash: ## kill writers, cut the power, fail calls and damage files at length, in under an hour, and count it
	@tools/install-dependencies test
	@tools/crash

stress: ## run what has threads for STRESS_SECONDS (60), with new seeds each round; STRESS_BUILD=tsan, asan, debug
	@tools/install-dependencies test
	@tools/stress

bench: ## measure up to 1M keys side by side with the other stores, in under 20 minutes
	@tools/install-dependencies bench
	@tools/build release --target alexstorage-bench
	@tools/benchmark standard

bench-full: ## measure every table of docs/PERFORMANCE.md and write it; takes hours, and goes on where it stopped
	@tools/install-dependencies bench
	@tools/build release --target alexstorage-bench alexstorage-bench-remap alexstorage-bench-adversary
	@tools/benchmark full

bench-remap: ## measure a write by its parts, layouts, and gets without copying, checks or prefetch
	@tools/install-dependencies bench
	@tools/build release --target alexstorage-bench alexstorage-bench-remap
	@tools/benchmark remap

install: ## install below PREFIX (/usr/local), and DESTDIR if it is set
	@tools/build release -DCMAKE_INSTALL_PREFIX="$(PREFIX)"
	@DESTDIR="$(DESTDIR)" cmake --install build/release
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

fuzz: ## run every fuzz target for FUZZ_SECONDS (60) with libFuzzer; needs clang
	@tools/build fuzz
	@tools/fuzz "$(FUZZ_SECONDS)"

lint: ## check format, static analysis, layers and conventions
	@tools/lint

coverage: ## report what tests reach, in build/coverage/report/; fails on unmarked branches of src/ that none does
	@tools/coverage

clean: ## remove everything that was built
	@rm -rf build

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "What each set of packages is: tools/install-dependencies --help"
