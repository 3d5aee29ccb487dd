#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# node-images.sh VERSION [RELEASE]
#
# Makes the images that the node of make e2e-node runs, as tar files in
# bin/images/: the operator's, as it is released, CoreDNS, the client and pause.
# In bin/previous/ are the chart and the image that are upgraded from: those of
# the folder RELEASE, which `make release` made, or else the present ones under a
# lower version, without a column of a CRD and a rule of a role, which the upgrade
# has to bring. Needs bin/coredns and bin/helm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$1 release=${2:-}
arch=$(go env GOARCH)

operator() { OUTPUT=$2 "${MAKE:-make}" --no-print-directory image "ARCH=$arch" "VERSION=$1"; }

mkdir -p bin/images
operator "$version" bin/images
rm -rf bin/previous
mkdir bin/previous
if [ -n "$release" ]; then
  charts=("$release"/external-backend-operator-*.tgz)
  if [ ${#charts[@]} != 1 ]; then
    echo "node-images.sh: $release has charts of several versions: name a folder with one release" >&2
    exit 1
  fi
  cp "${charts[@]}" "$release"/externalbackend-operator-*-linux-"$arch".tar bin/previous/
  if [ -e "bin/previous/external-backend-operator-$version.tgz" ]; then
    echo "node-images.sh: $release has the version $version, which is also that of this tree: name an earlier release" >&2
    exit 1
  fi
else
  lower=0.0.9
  earlier=$(mktemp -d)
  trap 'rm -rf "$earlier"' EXIT
  cp -R charts/external-backend-operator "$earlier"
  # without FILE SED-COMMAND takes something out of a file of the chart.
  without() {
    local file=$earlier/external-backend-operator/files/$1
    sed -i.full "$2" "$file"
    if cmp -s "$file" "$file.full"; then
      echo "node-images.sh: what is taken out of $1 is not there any more: take out something else" >&2
      exit 1
    fi
    rm "$file.full"
  }
  without crds/externalbackend.dev_externalbackends.yaml '/- jsonPath: .status.service.name$/,/type: string$/d'
  without rbac/role.yaml '/^- apiGroups:$/{N;/authentication.k8s.io$/{N;N;N;N;d;};}'
  bin/helm package "$earlier/external-backend-operator" --version $lower --app-version $lower --destination bin/previous >/dev/null
  operator $lower bin/previous
fi

builder=$(hack/cached-build.sh image hack/image .)/image
# image BINARY puts a binary of bin/ into an image that is called like it.
image() {
  "$builder" build -sbom=false -binary "bin/$1" -name "localhost/$1:1" -output "bin/images/$1.tar" >/dev/null
}
export CGO_ENABLED=0
go build -trimpath -ldflags='-s -w' -o bin/pause ./test/node/pause
go build -trimpath -ldflags='-s -w' -o bin/client ./test/node/client/run
for name in pause client coredns; do image "$name"; done
