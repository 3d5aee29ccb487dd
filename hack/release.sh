#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Makes all that a release consists of in dist/: the images, their bills of
# materials, the chart, install.yaml and SHA256SUMS. VERSION, REVISION, ARCHS and
# IMG come from the Makefile. The same commit gives the same bytes. TRIAL=1 makes
# one of a tree that is not ready for it, to try this out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chart=charts/external-backend-operator
name=externalbackend-operator
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

ready=yes
unready() {
  ready=no
  echo "release.sh: $*" >&2
}
[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] ||
  unready "VERSION is \"$VERSION\": it must be like 0.1.0 or 0.2.0-rc.1, without a v"
[ -n "$REVISION" ] || unready "there is no repository to tell the commit: give REVISION and SOURCE_DATE_EPOCH"
[ -z "$(git status --porcelain 2>/dev/null)" ] || unready "files differ from the commit: commit them (\`git status\` names them)"
grep -q "^## \[${VERSION//./\\.}\] - [0-9-]*$" CHANGELOG.md ||
  unready "CHANGELOG.md has no section \"## [$VERSION] - date\": move what is under Unreleased there"
for key in version appVersion; do
  [ "$(sed -n "s/^$key: *//p" "$chart/Chart.yaml")" = "$VERSION" ] || unready "$chart/Chart.yaml has not the $key $VERSION"
done
if [ $ready = no ]; then
  if [ "${TRIAL:-}" != 1 ]; then
    echo "release.sh: nothing was made; TRIAL=1 makes it all the same, to try it out" >&2
    exit 1
  fi
  echo "release.sh: going on all the same (TRIAL=1): do not publish this" >&2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hack/tool.sh helm
hack/controlplane.sh kubectl
rm -rf dist
hack/image.sh build

# helm package gives the files in the archive the times of this machine and of
# now: pack the same files again with one time, in one order, owned by root.
bin/helm package "$chart" --version "$VERSION" --app-version "$VERSION" --destination "$work" >/dev/null
package=external-backend-operator-$VERSION.tgz
mkdir "$work/chart"
tar -xzf "$work/$package" -C "$work/chart"
tar -C "$work/chart" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
  --mtime="@$SOURCE_DATE_EPOCH" -cf - external-backend-operator | gzip -n9 >"dist/$package"
bin/helm show chart "dist/$package" >/dev/null

hack/install-yaml.sh "$IMG" >dist/install.yaml

(cd dist && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
echo "dist/ has the release $VERSION of $REVISION:"
(cd dist && ls -l | awk 'NR > 1 { printf "  %10d  %s\n", $5, $9 }')
