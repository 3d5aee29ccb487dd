#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# controlplane.sh [NAME...]
#
# Links the named control plane binaries (default: all but coredns) into bin/.
# Those that the folder KUBEBUILDER_ASSETS has are taken from there; the others
# are the one binary of test/controlplane, and coredns that of test/coredns,
# each built once a machine (cached-build.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -gt 0 ] || set -- etcd kube-apiserver kube-controller-manager kube-proxy kubectl
mkdir -p bin

assets=${KUBEBUILDER_ASSETS:-}
if [ -n "$assets" ]; then
  assets=$(cd "$assets" 2>/dev/null && pwd -P) || {
    echo "controlplane.sh: KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS is not a folder: correct it, or unset it to build the control plane" >&2
    exit 1
  }
  # bin/ itself holds only links that an earlier run made.
  if [ "$assets" = "$(cd bin && pwd -P)" ]; then assets=; fi
fi

# The component versions are those that test/controlplane/go.mod pins.
built() {
  local version minor
  version=$(sed -n 's/^\tk8s\.io\/kubernetes //p' test/controlplane/go.mod)
  minor=${version#v1.}
  hack/cached-build.sh controlplane test/controlplane . \
    "-X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}"
}

own=
for name in "$@"; do
  if [ -n "$assets" ] && [ -x "$assets/$name" ]; then
    source=$assets/$name
  elif [ "$name" = coredns ]; then
    source=$(hack/cached-build.sh coredns test/coredns .)
  else
    [ -n "$own" ] || own=$(built)
    source=$own
  fi
  # A link that is right stays, and another is replaced in one step: other
  # processes may be starting it.
  if [ "$(readlink "bin/$name" || true)" != "$source" ]; then
    ln -s "$source" "bin/.$name.$$"
    mv -f "bin/.$name.$$" "bin/$name"
  fi
done
