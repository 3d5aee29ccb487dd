#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Names every Go module of the tree whose go.mod, or another .mod file beside it,
# or the .sum file of these is not what `go mod tidy` would write, and a ginkgo
# command of another version than the library that it talks to. The tree itself
# is not touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

untidy=0
while IFS= read -r mod; do
  tidy=(go -C "$(dirname "$mod")" mod tidy)
  if [ "$(basename "$mod")" != go.mod ]; then tidy+=("-modfile=$(basename "$mod")"); fi
  if ! difference=$(GOWORK=off "${tidy[@]}" -diff 2>&1); then
    untidy=1
    head -20 <<<"$difference"
    echo "$mod or its .sum file is not tidy: run \`${tidy[*]}\` and commit them"
  fi
done < <(git ls-files --cached --others --exclude-standard '*.mod')
ginkgo() { GOWORK=off go -C "$1" list -m -f '{{.Version}}' github.com/onsi/ginkgo/v2; }
version=$(ginkgo .)
if [ "$(ginkgo hack/tools/ginkgo)" != "$version" ]; then
  untidy=1
  echo "hack/tools/ginkgo has not the ginkgo of go.mod: run \`go -C hack/tools/ginkgo get github.com/onsi/ginkgo/v2@$version\` and commit it"
fi
[ "$untidy" = 0 ] && echo "ok: all modules are tidy"
exit "$untidy"
