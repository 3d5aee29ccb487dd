#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# image.sh build|rootfs|push REFERENCE|created
#
# Makes the operator's image with hack/image. build puts an image of each of
# ARCHS into dist/, and one of both together if there are two; rootfs puts the
# files of the image into bin/, for the Dockerfile; push pushes the image of both;
# created prints the time that images tell. VERSION, REVISION and ARCHS come from
# the Makefile. OUTPUT is another folder than dist/ for build. Times are those of
# the commit, or of SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
name=externalbackend-operator
# Said once, in the Dockerfile.
label() { sed -n "s/.*org\.opencontainers\.image\.$1=\"\(.*\)\".*/\1/p" Dockerfile; }
image() { "$(hack/cached-build.sh image hack/image .)/image" "$@"; }

build() { # OUTPUT ARCH...
  local output=$1 binaries=() arch
  shift
  for arch in "$@"; do binaries+=(-binary "bin/linux-$arch/manager"); done
  image build "${binaries[@]}" -name "$name:$VERSION" -output "$output" -revision "$REVISION" \
    -description "$(label description)" -licenses "$(label licenses)"
}

needs_version() {
  if [ -z "$VERSION" ]; then
    echo "image.sh: there is no version: it is that of charts/external-backend-operator/Chart.yaml, or give VERSION=0.1.0" >&2
    exit 2
  fi
}

case ${1:-} in
  build)
    needs_version
    read -ra archs <<<"$ARCHS"
    [ ${#archs[@]} -gt 0 ] || { echo "image.sh: ARCH is empty: name amd64 or arm64, or leave it away for both" >&2; exit 2; }
    for arch in "${archs[@]}"; do
      case $arch in
        amd64 | arm64) ;;
        *) echo "image.sh: ARCH is $arch: images are made for amd64 and arm64" >&2; exit 2 ;;
      esac
      "$MAKE" --no-print-directory build-linux "ARCH=$arch" "VERSION=$VERSION" "REVISION=$REVISION" >/dev/null
      build "${OUTPUT:-dist}/$name-$VERSION-linux-$arch.tar" "$arch"
    done
    if [ ${#archs[@]} -gt 1 ]; then build "${OUTPUT:-dist}/$name-$VERSION-oci.tar" "${archs[@]}"; fi
    ;;
  rootfs)
    needs_version
    for arch in $ARCHS; do
      image rootfs -binary "bin/linux-$arch/manager" -name "$name:$VERSION" -output "bin/linux-$arch/rootfs"
    done
    ;;
  push)
    case ${2:-} in
      */*) ;;
      *) echo "image.sh: ${2:-nothing} names no registry: give IMG=registry.example.com/team/$name:$VERSION" >&2; exit 2 ;;
    esac
    tar=dist/$name-$VERSION-oci.tar
    if [ ! -f "$tar" ]; then
      echo "image.sh: $tar is not there: run \`make image\`" >&2
      exit 2
    fi
    image push -tar "$tar" "$2"
    ;;
  created)
    date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ
    ;;
  *)
    echo "usage: image.sh build|rootfs|push REFERENCE|created" >&2
    exit 2
    ;;
esac
