#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# controlplane.sh [--build-only] [NAME...]
#
# Links the named programs of a cluster (default: a control plane, kube-proxy
# and kubectl) into bin/. Those that the folder KUBEBUILDER_ASSETS has are taken
# from there; the others are built once a machine (cached-build.sh), those of
# Kubernetes as one binary and of the minor version KUBERNETES (default: the one
# that test/controlplane/go.mod pins). The name gateway-api stands for the CRDs
# of the Gateway API, in bin/gateway-api/. With --build-only nothing is linked, and
# what bin/ has can be in use meanwhile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

link=yes
if [ "${1:-}" = --build-only ]; then
  link=no
  shift
fi
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

if [ -n "$assets" ] && [ -n "${KUBERNETES:-}" ]; then
  echo "controlplane.sh: KUBEBUILDER_ASSETS has a control plane of its own version: unset it, or KUBERNETES" >&2
  exit 2
fi

version_in() { sed -n 's/^\tk8s\.io\/kubernetes //p' "$1"; }
minor_of() { sed 's/^v\([0-9]*\.[0-9]*\)\..*/\1/' <<<"$1"; }

# The components are of the versions that this file pins.
module=test/controlplane/go.mod
if [ -n "${KUBERNETES:-}" ]; then
  module= minors=
  for file in test/controlplane/*.mod; do
    minor=$(minor_of "$(version_in "$file")")
    minors="$minor $minors"
    if [ "$minor" = "$KUBERNETES" ]; then module=$file; fi
  done
  if [ -z "$module" ]; then
    echo "controlplane.sh: KUBERNETES=$KUBERNETES: there is no control plane of that version: choose one of ${minors% }" >&2
    exit 2
  fi
fi

# locate sets source to the binary of the name $1.
locate() {
  local folder version
  if [ -n "$assets" ] && [ -x "$assets/$1" ]; then
    source=$assets/$1
    return
  fi
  case $1 in
    etcd | kube-apiserver | kube-controller-manager | kube-scheduler | kube-proxy | kubelet | kubectl)
      version=$(version_in "$module")
      folder=$(hack/cached-build.sh controlplane "$module" . \
        "-X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(minor_of "$version" | cut -d . -f 2)")
      source=$folder/controlplane
      ;;
    coredns)
      folder=$(hack/cached-build.sh coredns test/coredns .)
      source=$folder/coredns
      ;;
    containerd | containerd-shim-runc-v2 | ctr)
      folder=$(hack/cached-build.sh containerd test/containerd tool)
      source=$folder/$1
      ;;
    cni/bridge | cni/host-local | cni/loopback | cni/portmap)
      folder=$(hack/cached-build.sh cni test/cni tool)
      source=$folder/${1#cni/}
      ;;
    traefik)
      folder=$(hack/cached-build.sh traefik test/traefik tool)
      source=$folder/traefik
      ;;
    *)
      echo "controlplane.sh: no program is called $1" >&2
      exit 2
      ;;
  esac
}

# link makes bin/$1 a link to $2. One that is right stays, and another is
# replaced in one step: other processes may be starting it.
link() {
  if [ "$(readlink "bin/$1" || true)" != "$2" ]; then
    mkdir -p "$(dirname "bin/$1")"
    ln -s "$2" "bin/$1.$$"
    mv -f "bin/$1.$$" "bin/$1"
  fi
}

for name in "$@"; do
  if [ "$name" = gateway-api ]; then
    [ $link = yes ] || continue
    # They come with the module of the version that Traefik is built with.
    GOWORK=off go -C test/traefik mod download sigs.k8s.io/gateway-api
    crds=$(GOWORK=off go -C test/traefik list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)/config/crd/standard
    rm -rf bin/gateway-api
    for file in "$crds"/*.yaml; do link "gateway-api/$(basename "$file")" "$file"; done
  else
    locate "$name"
    [ $link = no ] || link "$name" "$source"
  fi
done
