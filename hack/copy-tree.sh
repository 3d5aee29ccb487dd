#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# copy-tree.sh FOLDER
#
# Copies the files of this tree, committed or not, into a folder: not what
# .gitignore names, and no repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files --cached --others --exclude-standard -z |
  while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
  tar --null --files-from=- -cf - | tar -xf - -C "$1"
