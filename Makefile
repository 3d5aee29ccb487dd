# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Version of the build, the image and the release: that of the chart.
VERSION ?= $(shell sed -n 's/^version: *//p' charts/external-backend-operator/Chart.yaml)
# Commit that they name, with -dirty if files differ from it.
REVISION ?= $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)
# Image that docker-build makes, image-push pushes and deploy runs.
IMG ?= externalbackend-operator:$(VERSION)
# Flags for the operator (run), the lab (lab) or the test binary (e2e).
ARGS ?=
# More flags for go test (test), such as TESTFLAGS='-run TestX -count=10'. With
# any that the test binary itself acts on, controllers runs in one process.
TESTFLAGS ?=
# Which packages to test (test).
PACKAGES ?= ./...
# How many processes share the specs of controllers (test), each with a control plane.
PROCESSES ?= 4
# Flags for the benchmarks (bench, bench-report): bin/bench -h lists them.
BENCHFLAGS ?=
# A folder with etcd, kube-apiserver and kubectl to use instead of building them.
export KUBEBUILDER_ASSETS
# Minor version of the Kubernetes to build: 1.34, the oldest that is supported,
# or 1.36, which it is if empty.
KUBERNETES ?=
export KUBERNETES
# How long the API requests of the steady state are counted (test): 20s if empty.
export STEADY_STATE_DURATION
# Rules, mutants and packages of tests to try (mutants): all if empty.
RULE ?=
# Which end-to-end cases to run (e2e): a regular expression on their text; all if empty.
FOCUS ?=
# A folder with a Go vulnerability database, one OSV file each (verify): one
# beside this clone or in a folder beside it, or else the live database.
VULNDB ?= $(firstword $(wildcard ../vulndb ../*/vulndb))
export VULNDB
# The promtool to use (verify-alerts): that of the machine, or Debian's, if empty.
PROMTOOL ?=
# Platform of the image (docker-build), or the only one (image): amd64 or arm64.
ARCH ?= $(shell go env GOARCH)
CONTAINER_TOOL ?= docker
KUBECTL ?= kubectl

MODULE := externalbackend.dev/operator
# What makes the binary the same on every machine: nothing of the folder, of its
# repository, of a workspace or of the settings of Go gets in.
GO_BUILD = CGO_ENABLED=0 GOWORK=off GOFLAGS= GOEXPERIMENT= GOFIPS140=off GOAMD64=v1 GOARM64=v8.0 go build -trimpath -buildvcs=false \
	-ldflags='-s -w -X main.linkedVersion=$(VERSION) -X main.linkedRevision=$(REVISION)'
# Settings of hack/image.sh and hack/release.sh. Without ARCH, all platforms are built.
RELEASE = MAKE='$(MAKE)' VERSION='$(VERSION)' REVISION='$(REVISION)' ARCHS='$(if $(filter file,$(origin ARCH)),amd64 arm64,$(ARCH))'

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

##@ General

.PHONY: help
help: ## Show what each target does.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET" } \
		/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) }' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove bin/ and dist/. What was built for all clones stays in the user's cache.
	rm -rf bin dist

##@ See it and test it

.PHONY: demo
demo: ## Show the operator at work with a real control plane and kube-proxy (Linux). KEEP=1 stays up.
	@go build -o bin/demo ./test/demo
	@bin/demo --check
	@$(MAKE) --no-print-directory controlplane build
	@bin/demo

.PHONY: lab
lab: ## Start a whole installation with external hosts in namespaces, to work with (Linux). Settings: ARGS.
	@go build -o bin/lab ./test/lab/up
	@bin/lab --check
	@$(MAKE) --no-print-directory controlplane coredns build
	@bin/lab $(ARGS)

.PHONY: e2e
e2e: ## Run the end-to-end cases in such an installation (Linux). Settings: FOCUS, ARGS.
	@go build -o bin/lab ./test/lab/up
	@bin/lab --check
	@go test -c -tags=e2e -o bin/e2e ./test/e2e
	@$(MAKE) --no-print-directory controlplane coredns build
	@bin/e2e --ginkgo.focus='$(FOCUS)' $(ARGS)

# A folder with the release to upgrade from (e2e-node), as `make release` makes it:
# what is here under a lower version if empty.
PREVIOUS ?=

.PHONY: e2e-node
e2e-node: ## Run the end-to-end cases of the installation on a whole node, with kubelet and containerd (Linux, root). Settings: FOCUS, ARGS, KUBERNETES, PREVIOUS.
	@mkdir -p bin
	@flock --nonblock --conflict-exit-code 75 bin/.e2e-node.lock $(MAKE) --no-print-directory e2e-node-alone || { code=$$?; [ $$code != 75 ] || \
		echo "make e2e-node runs in this clone already, and another run would take its programs away: wait for its end, or use another clone" >&2; exit $$code; }

.PHONY: e2e-node-alone
e2e-node-alone:
	@go test -c -tags=e2e -o bin/e2e-node ./test/e2enode
	@bin/e2e-node --check
	@$(MAKE) --no-print-directory node-binaries build
	@MAKE='$(MAKE)' hack/node-images.sh '$(VERSION)' '$(PREVIOUS)'
	@bin/e2e-node --version='$(VERSION)' --kubernetes='$(KUBERNETES)' --ginkgo.focus='$(FOCUS)' $(ARGS)

.PHONY: test
test: ## Run all tests with the race detector. Settings: PACKAGES, TESTFLAGS, PROCESSES, KUBERNETES, KUBEBUILDER_ASSETS, STEADY_STATE_DURATION.
	@command -v "$$(go env CC)" >/dev/null || { \
		echo "make test needs a C compiler for the race detector, and $$(go env CC) is not there: install one (Debian: apt-get install gcc libc6-dev), or name yours with CC=" >&2; exit 1; }
	@hack/controlplane.sh etcd kube-apiserver kubectl
	@hack/tool.sh ginkgo helm
	@go build -o bin/testsummary ./hack/testsummary
	@KUBEBUILDER_ASSETS='$(CURDIR)/bin' GINKGO_NO_COLOR=1 CGO_ENABLED=1 go test -race -count=1 -json -timeout=40m \
		-exec="'$(CURDIR)/hack/parallel-suite.sh' $(PROCESSES)" $(TESTFLAGS) $(PACKAGES) \
		| bin/testsummary -trim $(MODULE)/

.PHONY: bench
bench: ## Measure speed, writes and processor time beside kube-controller-manager (Linux, about 27 minutes). Settings: BENCHFLAGS.
	@hack/controlplane.sh etcd kube-apiserver kube-controller-manager
	@go build -o bin/bench ./test/bench
	@bin/bench $(BENCHFLAGS)

.PHONY: bench-report
bench-report: ## Run bench and write the results into docs/benchmarks.md. Settings: BENCHFLAGS.
	@$(MAKE) --no-print-directory bench BENCHFLAGS='-report=docs/benchmarks.md $(BENCHFLAGS)'

.PHONY: mutants
mutants: ## Break the rules for EndpointSlices one by one and show that their tests notice. Settings: RULE (such as '9 44' or controllers).
	@$(MAKE) --no-print-directory controlplane coredns
	@go run ./hack/mutants $(RULE)

.PHONY: verify
verify: ## Check all that a reviewer would: lint, import rules, generated files, go.mod files, the image builder and the same bytes twice, alerts, known vulnerabilities, and a tree left as it was. Settings: VULNDB.
	@MAKE='$(MAKE)' hack/verify.sh lint verify-import-rules verify-generated verify-modules verify-size verify-image verify-alerts verify-vulnerabilities

.PHONY: verify-generated
verify-generated: ## Check that the files made by generate, manifests, chart and api-docs are up to date.
	@MAKE='$(MAKE)' hack/verify-generated.sh

.PHONY: verify-import-rules
verify-import-rules: ## Prove that the linter reports forbidden imports and clocks, in every package.
	@hack/tool.sh golangci-lint
	@GOLANGCI_LINT='$(CURDIR)/bin/golangci-lint' go test -tags=archrules -count=1 ./test/archrules

.PHONY: verify-modules
verify-modules: ## Check that the go.mod and go.sum files of all modules are tidy.
	@hack/verify-modules.sh

.PHONY: verify-size
verify-size: ## Check that the binary is not larger than it should be.
	@MAKE='$(MAKE)' hack/verify-size.sh

.PHONY: verify-image
verify-image: build ## Check that the binary is the same when built in another folder, and test the image builder.
	@$(RELEASE) hack/verify-image.sh

.PHONY: verify-alerts
verify-alerts: ## Check with promtool the alerts, when they fire, and the expressions of the dashboard. Settings: PROMTOOL.
	@PROMTOOL='$(PROMTOOL)' hack/promtool.sh
	@PROMTOOL='$(CURDIR)/bin/promtool' go test -tags=promtool -count=1 ./test/monitoring

.PHONY: verify-vulnerabilities
verify-vulnerabilities: build ## Check that no known vulnerability can be reached from the code, or is in the binary. Settings: VULNDB.
	@hack/tool.sh govulncheck
	@go run ./hack/vulncheck

##@ Develop

.PHONY: build
build: ## Build the operator into bin/manager. Settings: VERSION, REVISION.
	$(GO_BUILD) -o bin/manager ./cmd/manager

# The binary of the image for the platform ARCH.
.PHONY: build-linux
build-linux:
	GOOS=linux GOARCH=$(ARCH) $(GO_BUILD) -o bin/linux-$(ARCH)/manager ./cmd/manager

.PHONY: run
run: ## Run the operator here against the cluster of your kubeconfig. Settings: ARGS.
	go run ./cmd/manager $(ARGS)

.PHONY: generate
generate: ## Generate the deep-copy functions of the API types.
	@hack/tool.sh controller-gen
	bin/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: ## Generate the CRD and the operator's RBAC role from the markers in the code.
	@hack/tool.sh controller-gen
	bin/controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	bin/controller-gen rbac:roleName=manager-role 'paths=./controllers/...;./cmd/...' output:rbac:artifacts:config=config/rbac

.PHONY: chart
chart: ## Generate what the chart shares with config/, and its README.
	@hack/chart.sh
	@hack/tool.sh helm-docs
	@bin/helm-docs --log-level=warning --chart-search-root=charts --sort-values-order=file

.PHONY: install-yaml
install-yaml: ## Write dist/install.yaml: config/default with the image of this version. Settings: IMG.
	@hack/controlplane.sh kubectl
	@mkdir -p dist
	@hack/install-yaml.sh '$(IMG)' >dist/.install.yaml
	@mv -f dist/.install.yaml dist/install.yaml

.PHONY: api-docs
api-docs: ## Generate docs/api-reference.md from the API types.
	@hack/tool.sh crd-ref-docs
	@mkdir -p docs && touch docs/api-reference.md
	bin/crd-ref-docs --log-level=ERROR --max-depth=20 --source-path=api --config=hack/api-reference/config.yaml \
		--templates-dir=hack/api-reference/templates --renderer=markdown --output-path=docs/api-reference.md

.PHONY: fmt
fmt: ## Format the Go code.
	@hack/tool.sh golangci-lint
	bin/golangci-lint fmt

.PHONY: lint
lint: ## Check the Go code.
	@hack/tool.sh golangci-lint
	bin/golangci-lint run

.PHONY: lint-fix
lint-fix: ## Check the Go code and mend what can be mended mechanically.
	@hack/tool.sh golangci-lint
	bin/golangci-lint run --fix

.PHONY: controlplane
controlplane: ## Put etcd, kube-apiserver, kube-controller-manager, kube-proxy and kubectl into bin/. Settings: KUBERNETES, KUBEBUILDER_ASSETS.
	@hack/controlplane.sh etcd kube-apiserver kube-controller-manager kube-proxy kubectl

.PHONY: node-binaries
node-binaries: controlplane coredns ## Put all that a cluster of one node runs into bin/, and helm (Linux). Settings: KUBERNETES, KUBEBUILDER_ASSETS.
	@hack/controlplane.sh kube-scheduler kubelet containerd containerd-shim-runc-v2 ctr \
		cni/bridge cni/host-local cni/loopback cni/portmap traefik gateway-api
	@hack/tool.sh helm

.PHONY: coredns
coredns: ## Put coredns into bin/.
	@hack/controlplane.sh coredns

##@ Release

.PHONY: image
image: ## Build the images into dist/, without a daemon. Settings: VERSION, REVISION, ARCH (amd64 or arm64 alone).
	@$(RELEASE) hack/image.sh build

.PHONY: image-push
image-push: ## Push the image of all platforms from dist/ to a registry as IMG.
	@$(RELEASE) hack/image.sh push '$(IMG)'

.PHONY: release
release: ## Make all of a release in dist/. Settings: VERSION, IMG (in install.yaml), TRIAL=1 (of an unfinished tree).
	@$(RELEASE) IMG='$(IMG)' hack/release.sh

##@ Deploy

.PHONY: docker-build
docker-build: build-linux ## Build the image IMG with a Dockerfile. Settings: ARCH (amd64, arm64), CONTAINER_TOOL.
	@$(RELEASE) ARCHS=$(ARCH) hack/image.sh rootfs
	$(CONTAINER_TOOL) build --platform linux/$(ARCH) --build-arg TARGETARCH=$(ARCH) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$(REVISION) --build-arg CREATED="$$(hack/image.sh created)" -t $(IMG) .

.PHONY: install
install: ## Install the CRD into the cluster of your kubeconfig.
	$(KUBECTL) apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Delete the CRD, and with it every ExternalBackend, from the cluster of your kubeconfig.
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## Install the CRD and the operator with image IMG into the cluster of your kubeconfig.
	KUBECTL='$(KUBECTL)' hack/install-yaml.sh '$(IMG)' | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: ## Delete the operator, the CRD and with it every ExternalBackend from the cluster of your kubeconfig.
	$(KUBECTL) delete --ignore-not-found -k config/default
