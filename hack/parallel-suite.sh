#!/usr/bin/env bash
# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# parallel-suite.sh PROCESSES BINARY [FLAG...]
#
# What `go test -exec` runs test binaries with (make test). The specs of
# controllers, which mostly wait, are shared out to PROCESSES processes by
# bin/ginkgo. All other tests run as they are, and so does controllers itself
# with flags that ask for some tests, or for more than their results.
set -euo pipefail

processes=$1 binary=$2 timeout=1h suite='^TestControllers$'
shift 2
[ "${binary##*/}" = controllers.test ] || exec "$binary" "$@"
for flag in "$@"; do
  case $flag in
    -test.paniconexit0 | -test.count=1 | -test.v=test2json) ;;
    -test.timeout=*) timeout=${flag#*=} ;;
    *) exec "$binary" "$@" ;;
  esac
done

status=0
"$binary" "$@" -test.skip="$suite" || status=$?

# Ginkgo takes the folder of a binary for that of its package, and keeps what
# its processes write: a race or a panic belongs into the output at once.
cat >"${binary%/*}/specs.test" <<END
#!/usr/bin/env bash
cd $(printf %q "$PWD") && exec $(printf %q "$binary") -test.run='$suite' "\$@" 2>&3 3>&-
END
chmod +x "${binary%/*}/specs.test"
"$(dirname "${BASH_SOURCE[0]}")/../bin/ginkgo" run --procs="$processes" --timeout="$timeout" \
  --output-interceptor-mode=none "${binary%/*}/specs.test" 3>&2 || status=$?
exit "$status"
