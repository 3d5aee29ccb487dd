#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Links promtool into bin/: what PROMTOOL names, or what the machine has, or that
# of Debian's package prometheus. The package is unpacked into the user's cache and
# not installed, since that would start a server. Prometheus cannot be built here:
# one of the many clients that its modules name cannot be had as a module.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p bin
source=${PROMTOOL:-$(command -v promtool || true)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/externalbackend-operator/promtool
if [ -z "$source" ] && [ ! -x "$cache/promtool" ]; then
  command -v apt-get >/dev/null || {
    echo "promtool is missing: install it, which comes with Prometheus, or name yours with PROMTOOL=" >&2
    exit 1
  }
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/.unpack.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  download() { (cd "$work" && apt-get download -qq prometheus >log 2>&1); }
  echo "promtool: downloading Debian's package" >&2
  download || { "${as_root[@]}" apt-get update -qq && download; } || { cat "$work/log" >&2; exit 1; }
  dpkg-deb --extract "$work"/prometheus_*.deb "$work"
  mv "$work/usr/bin/promtool" "$cache/promtool"
fi
source=${source:-$cache/promtool}
[ -x "$source" ] || { echo "PROMTOOL=$source is no program: correct it, or unset it" >&2; exit 1; }
if [ "$(readlink bin/promtool || true)" != "$source" ] && ! [ "$source" -ef bin/promtool ]; then
  ln -s "$source" "bin/.promtool.$$"
  mv -f "bin/.promtool.$$" bin/promtool
fi
