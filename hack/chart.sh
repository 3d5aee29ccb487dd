#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Copies into the chart's files/ what it shares with config/, so that each is
# written once. The templates read them with .Files: no text in them is taken for
# a template.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chart=charts/external-backend-operator
rm -rf "$chart/files"
copy() { # FOLDER FILE...
  mkdir -p "$chart/files/$1"
  cp "${@:2}" "$chart/files/$1/"
}
copy crds config/crd/bases/*.yaml
copy admission config/admission/*_{fence,use}.yaml
copy rbac config/rbac/{role,*_role}.yaml
copy namespaced config/namespaced/{manager,metrics_auth}_role.yaml
copy network-policy config/network-policy/{allow-metrics-traffic,egress/allow-egress}.yaml
copy prometheus config/prometheus/{monitor,rules}.yaml
copy dashboards config/grafana/dashboard.json
