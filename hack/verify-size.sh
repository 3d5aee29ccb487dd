#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# Builds bin/manager and fails if it is larger than it should be. What makes it
# grow at once is a client of the AWS SDK that is put into an interface: the linker
# then keeps hundreds of operations that nobody calls.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

limit_mb=64

"${MAKE:-make}" --no-print-directory build >/dev/null
size=$(wc -c <bin/manager)
if [ "$size" -gt $((limit_mb * 1000000)) ]; then
  echo "bin/manager has $size bytes, more than $limit_mb MB: see which packages came in or grew"
  echo "(\`go tool nm -size -sort=size\` on a build without -s), or raise limit_mb in hack/verify-size.sh if they are worth it"
  exit 1
fi
echo "ok: bin/manager has $size bytes, at most $limit_mb MB"
