#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# install-yaml.sh IMAGE
#
# Prints config/default as one file that runs IMAGE, for those who have no clone
# of the project. Needs bin/kubectl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# = 1 ] || { echo "install-yaml.sh: name the image, such as registry.example.com/externalbackend-operator:0.1.0" >&2; exit 2; }
manifest=$(bin/kubectl kustomize config/default)
if [ "$(grep -c '^ *image: externalbackend-operator:' <<<"$manifest")" != 1 ]; then
  echo "install-yaml.sh: config/default does not run externalbackend-operator exactly once" >&2
  exit 1
fi
sed "s|^\( *image: \)externalbackend-operator:.*|\1$1|" <<<"$manifest"
