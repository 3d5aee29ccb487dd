# Copyright 2026 The ExternalBackend Authors.
# SPDX-License-Identifier: Apache-2.0

# `make docker-build` builds the static binary, puts it with its bill of materials
# and its account into a folder, and makes this image of that, which holds nothing
# else: no shell, no libraries, nothing to update but the operator. `make image`
# makes the same image without a daemon.
FROM scratch
ARG TARGETARCH
COPY bin/linux-${TARGETARCH}/rootfs/ /
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/manager"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="externalbackend-operator" \
      org.opencontainers.image.description="Puts machines outside a Kubernetes cluster behind ordinary Services, with health checks" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
