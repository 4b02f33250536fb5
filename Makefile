# Every target runs on the Node that package-lock.json pins, whatever `node` the machine has.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export GOFLAGS := -buildvcs=false

.PHONY: help
help: ## list every target
	@echo 'Usage: make TARGET'
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Try it
.PHONY: demo
demo: $(if $(KUBE_CONTEXT),install,packages-cluster) ## a cluster, the operator, a local engine and a Service fetched through its tunnel (KUBE_CONTEXT=… IMAGE=… for a cluster of yours)
	@exec node test/demo/main.ts up

.PHONY: demo-down
demo-down: install ## remove what `make demo` made
	@exec node test/demo/main.ts down

##@ Develop
.PHONY: install
install: ## node_modules as package-lock.json says
	@scripts/install-packages.sh node
	@node scripts/is-installed.mjs 2>/dev/null || { echo 'installing node_modules'; npm ci --ignore-scripts --no-progress; }

.PHONY: check
check: lint types drift unit ## what must pass before every commit; takes about a minute

.PHONY: lint
lint: install ## biome
	@biome check --error-on-warnings .

.PHONY: format
format: install ## biome, and let it write
	@biome check --write .

.PHONY: types
types: install ## the TypeScript compiler
	@tsc

.PHONY: generate
generate: install ## write every generated file: generated/, dist/, docs/api.md, docs/values.md
	@node scripts/generate.ts

.PHONY: drift
drift: install ## fail when a generated file is not what its source says
	@node scripts/generate.ts --check

##@ Test
.PHONY: unit
unit: install ## unit tests only
	@node scripts/run-tests.ts unit

.PHONY: test
test: packages-cluster ## everything: unit, conformance, API server, constructs, real node, Go; ends with one line of counts
	@node scripts/run-tests.ts

.PHONY: test-full
test-full: packages-cluster ## the same with the long proofs at their full counts
	@node scripts/run-tests.ts --full

.PHONY: integration conformance constructs e2e go
integration conformance constructs e2e go: packages-cluster
integration: ## tests on a real API server
conformance: ## the official Python SDK against our engine and agent
constructs: ## the packed constructs in somebody else's cdk8s app
e2e: ## tests on a real node
go: ## tests of the Go helpers
integration conformance constructs e2e go:
	@node scripts/run-tests.ts $@

.PHONY: bench
bench: packages-cluster cluster-binaries ## the benchmarks: JSON and a table in test/bench/results
	@node test/bench/main.ts

##@ Build
.PHONY: bundle
bundle: install ## manager, agent and dev engine as one file each, in .build/bundle
	@node scripts/bundle.ts

.PHONY: image
image: install ## the operator's image without Docker, in .build/image.tar, for this machine's architecture (IMAGE=name:tag)
	@node scripts/build-image.ts

.PHONY: package
package: install ## the constructs as an npm package, in .build/constructs
	@node scripts/build-package.ts

.PHONY: sbom
sbom: install ## the bill of materials and the licences of third parties, in .build
	@node scripts/image-content.ts

.PHONY: clean
clean: ## remove .build
	rm -rf .build

##@ A Kubernetes node without Docker
.PHONY: cluster-binaries
cluster-binaries: packages-cluster ## build etcd, Kubernetes, containerd and CoreDNS from Go modules (once)
	@node test/cluster/main.ts build

.PHONY: cluster-up
cluster-up: cluster-binaries ## start a node; prints its KUBECONFIG
	@node test/cluster/main.ts up

.PHONY: cluster-down
cluster-down: install ## stop it and remove every trace
	@node test/cluster/main.ts down

.PHONY: packages-cluster
packages-cluster: install
	@scripts/install-packages.sh cluster
