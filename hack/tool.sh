#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# tool.sh NAME...
#
# Links development tools into bin/. Each is built from the Go module in
# hack/tools/NAME, which pins its version with a tool directive, once a machine
# (cached-build.sh). Nothing is downloaded but Go modules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p bin
for name in "$@"; do
  module=hack/tools/$name
  if [ ! -f "$module/go.mod" ]; then
    echo "tool.sh: no tool is called $name: there are $(cd hack/tools && echo *)" >&2
    exit 2
  fi
  package=$(sed -n 's/^tool //p' "$module/go.mod")
  binary=$(hack/cached-build.sh "$name" "$module" "$package")/$name
  if [ "$(readlink "bin/$name" || true)" != "$binary" ]; then
    ln -s "$binary" "bin/.$name.$$"
    mv -f "bin/.$name.$$" "bin/$name"
  fi
done
