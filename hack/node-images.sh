#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# node-images.sh VERSION PREVIOUS
#
# Makes the images that the node of make e2e-node runs, as tar files in
# bin/images/: the operator with the tags VERSION and PREVIOUS, CoreDNS, the client
# and pause. Needs bin/manager, bin/coredns and bin/image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$1 previous=$2

mkdir -p bin/images
export CGO_ENABLED=0
go build -trimpath -ldflags='-s -w' -o bin/pause ./test/node/pause
go build -trimpath -ldflags='-s -w' -o bin/client ./test/node/client/run

# image BINARY NAME:TAG FILE
image() {
  local tar=bin/images/$3
  # The image is a function of these two.
  if [ "$tar" -nt "bin/$1" ] && [ "$tar" -nt bin/image ]; then return; fi
  bin/image build -sbom=false -binary "bin/$1" -name "$2" -output "$tar" >/dev/null
}
image pause localhost/pause:1 pause.tar
image client localhost/client:1 client.tar
image coredns localhost/coredns:1 coredns.tar
image manager "externalbackend-operator:$version" "operator-$version.tar"
image manager "externalbackend-operator:$previous" "operator-$previous.tar"
