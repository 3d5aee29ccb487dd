#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# cached-build.sh NAME MODULE PACKAGE [LDFLAGS]
#
# Builds PACKAGE, or the several packages of a pattern such as `tool`, of a Go
# module into the user's cache and prints the folder that the binaries are in.
# Each is called as `go build` calls it. MODULE is the module's folder, or a file
# in it to use in place of its go.mod. The cache is keyed by the module's go.mod,
# go.sum and own sources, by the Go version and by the platform, so that a second
# clone on the machine builds nothing and a changed pin builds anew. Progress
# goes to standard error.
set -euo pipefail

name=$1 module=$2 package=$3 ldflags=${4:-}
modfile=go.mod
if [ ! -d "$module" ]; then
  modfile=$(basename "$module") module=$(dirname "$module")
fi
cd "$module"
# The result must not depend on a workspace around the module or on cgo, nor
# may another platform be built for by accident: the binary runs here.
export GOWORK=off CGO_ENABLED=0
unset GOOS GOARCH
flags=(-trimpath -buildvcs=false -ldflags "-s -w $ldflags")

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-16; }
sources=("$modfile" "${modfile%.mod}.sum")
for f in *.go; do [ ! -e "$f" ] || sources+=("$f"); done
key=$({ go version; printf '%s\n' "$package" "${flags[@]}"; cat "${sources[@]}"; } | digest)

# Go itself does without HOME where GOCACHE is set, and so does this.
caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
cache=${caches:-$(dirname "$(go env GOCACHE)")}/externalbackend-operator/$name
binaries=$cache/$key
found() { [ -d "$binaries" ] && touch "$binaries" && echo "$binaries"; }
if found; then exit 0; fi

# One build at a time for all clones on the machine; who waited finds the result.
mkdir -p "$cache"
if command -v flock >/dev/null; then
  exec 9>"$cache/lock"
  flock -n 9 || { echo "$name: waiting for a build that runs already" >&2; flock 9; }
  if found; then exit 0; fi
fi

work=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

started=$SECONDS
say() { echo "$name: $* ($((SECONDS - started)) s)" >&2; }
say "not in the cache yet: downloading modules"
go mod download "-modfile=$modfile" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
total=$(go list -deps -f '{{if .Stale}}{{.ImportPath}}{{end}}' "-modfile=$modfile" "${flags[@]}" "$package" | grep -c . || true)
say "compiling $total packages"

# go build -v prints the path of each package as it is compiled; anything else
# it prints (errors) has blanks or starts with a hash.
progress() {
  local line n=0 tenth=0 last=$SECONDS
  while IFS= read -r line; do
    case $line in
      *[[:space:]]* | '#'* | '') echo "$line" >&2; continue ;;
    esac
    n=$((n + 1))
    if [ -t 2 ]; then
      printf '\r%s: %d of %d packages (%d s) ' "$name" "$n" "$total" "$((SECONDS - started))" >&2
      if [ "$n" = "$total" ]; then echo >&2; fi
    elif [ $((SECONDS - last)) -ge $((n * 10 / total > tenth ? 5 : 15)) ]; then
      tenth=$((n * 10 / total)) last=$SECONDS
      say "$n of $total packages"
    fi
    if [ "$n" = "$total" ]; then say "linking"; fi
  done
}
mkdir "$work/bin"
go build -v "-modfile=$modfile" "${flags[@]}" -o "$work/bin/" "$package" 2>&1 9>&- | progress

# Renames within one folder are atomic: nobody ever sees half a binary.
if ! found >/dev/null; then mv "$work/bin" "$binaries"; fi
say "built"
# Results of old pins that no clone has asked for in a month.
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +
echo "$binaries"
