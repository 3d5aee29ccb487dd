# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# `make docker-build` builds the static binary and then this image, which holds
# nothing else: no shell, no libraries, nothing to update but the operator.
FROM scratch
ARG TARGETARCH
COPY bin/linux-${TARGETARCH}/manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
