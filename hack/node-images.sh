#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# node-images.sh VERSION PREVIOUS
#
# Makes the images that the node of make e2e-node runs, as tar files in
# bin/images/: the operator's of the versions VERSION and PREVIOUS, as they are
# released, CoreDNS, the client and pause. Needs bin/coredns.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$1 previous=$2
arch=$(go env GOARCH)

mkdir -p bin/images
builder=$(hack/cached-build.sh image hack/image .)/image
for tag in "$previous" "$version"; do
  OUTPUT=bin/images "${MAKE:-make}" --no-print-directory image "ARCH=$arch" "VERSION=$tag"
done

# image BINARY puts a binary of bin/ into an image that is called like it.
image() {
  "$builder" build -sbom=false -binary "bin/$1" -name "localhost/$1:1" -output "bin/images/$1.tar" >/dev/null
}
export CGO_ENABLED=0
go build -trimpath -ldflags='-s -w' -o bin/pause ./test/node/pause
go build -trimpath -ldflags='-s -w' -o bin/client ./test/node/client/run
for name in pause client coredns; do image "$name"; done
