#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# verify.sh TARGET...
#
# Runs every make target, says which failed, and checks that the tree is as it
# was before: nothing that belongs into a commit or into .gitignore came about.
# With CI set, that means no change against HEAD at all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One line a file that differs from HEAD, with a digest of what it holds.
tree() {
  git ls-files --modified --deleted --others --exclude-standard | sort -u | while IFS= read -r f; do
    echo "$f $([ ! -f "$f" ] || git hash-object "$f")"
  done
}

before=
[ -n "${CI:-}" ] || before=$(tree)
failed=()
for target in "$@"; do
  echo "--- $target"
  "${MAKE:-make}" --no-print-directory "$target" || failed+=("$target")
done

echo "--- clean tree"
after=$(tree)
if [ "$before" = "$after" ]; then
  echo "ok"
else
  changes=$(diff <(echo "$before") <(echo "$after") || true)
  grep '^[<>] .' <<<"$changes" | cut -d' ' -f2 | sort -u | sed 's/^/changed or new: /'
  echo "verify: commit these files, or add them to .gitignore if a build makes them"
  failed+=("clean tree")
fi

if [ ${#failed[@]} -gt 0 ]; then
  printf 'verify: failed:'
  printf ' %s,' "${failed[@]}" | sed 's/,$/\n/'
  exit 1
fi
echo "verify: all is well"
