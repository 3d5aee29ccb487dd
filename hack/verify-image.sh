#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Tests the image builder, and builds the operator in a copy of the tree without
# its repository: the bytes must be those of bin/manager.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

hack/tool.sh golangci-lint
(cd hack/image && GOWORK=off go test -count=1 . && GOWORK=off "$root/bin/golangci-lint" run)

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
hack/copy-tree.sh "$copy"
"${MAKE:-make}" --no-print-directory -C "$copy" build "VERSION=$VERSION" "REVISION=$REVISION" >/dev/null
here=$(sha256sum <bin/manager) there=$(sha256sum <"$copy/bin/manager")
if [ "$here" != "$there" ]; then
  echo "the operator has other bytes when it is built in another folder: something of the machine gets into it"
  echo "(compare \`go version -m\` and \`strings\` of both builds; GO_BUILD in the Makefile keeps it out)"
  exit 1
fi
echo "ok: the operator has the same bytes wherever it is built"
