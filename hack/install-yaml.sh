#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# install-yaml.sh IMAGE
#
# Prints config/default as one file that runs IMAGE, for those who have no clone
# of the project. It is made by KUBECTL, or bin/kubectl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! [[ ${1:-} =~ ^[A-Za-z0-9][A-Za-z0-9._/:@-]*$ ]]; then
  echo "install-yaml.sh: IMG is \"${1:-}\": name the image, such as registry.example.com/team/externalbackend-operator:0.1.0" >&2
  exit 2
fi
manifest=$(${KUBECTL:-bin/kubectl} kustomize config/default)
if [ "$(grep -c '^ *image: externalbackend-operator:' <<<"$manifest")" != 1 ]; then
  echo "install-yaml.sh: config/default does not run externalbackend-operator exactly once" >&2
  exit 1
fi
sed "s|^\( *image: \)externalbackend-operator:.*|\1$1|" <<<"$manifest"
