# syntax=docker/dockerfile:1
# The published image, for amd64 and arm64. scripts/build-image.ts builds the same layout where there is no Docker;
# a test compares the two.
FROM node:26-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Bundling runs on the machine's own architecture; esbuild's output is the same for both.
RUN npm ci --ignore-scripts --no-progress
COPY tsconfig.json ./
COPY scripts scripts
COPY generated generated
COPY charts-ts charts-ts
COPY src src
RUN node scripts/bundle.ts

FROM debian:bookworm-slim AS root
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/node /root-image/usr/local/bin/node
# Node, exactly the libraries it links to and what glibc opens for names: no shell, no package manager.
RUN set -eu; cd /root-image; \
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu"); \
    mkdir -p tmp etc/ssl/certs "usr/lib/$triplet" usr/share/doc/rstream-operator; chmod 1777 tmp; \
    for library in libatomic.so.1 libc.so.6 libdl.so.2 libgcc_s.so.1 libm.so.6 libnss_dns.so.2 libnss_files.so.2 \
      libpthread.so.0 libresolv.so.2 librt.so.1 libstdc++.so.6; do \
      cp -L "/usr/lib/$triplet/$library" "usr/lib/$triplet/$library"; \
    done; \
    case "$(uname -m)" in \
      x86_64) mkdir -p lib64; cp -L /lib64/ld-linux-x86-64.so.2 lib64/ ;; \
      aarch64) mkdir -p lib; cp -L /lib/ld-linux-aarch64.so.1 lib/ ;; \
    esac; \
    cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/; \
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n' >etc/passwd; \
    printf 'root:x:0:\nnonroot:x:65532:\n' >etc/group; \
    printf 'hosts: files dns\n' >etc/nsswitch.conf
COPY LICENSE /root-image/usr/share/doc/rstream-operator/LICENSE

FROM scratch
COPY --from=root /root-image/ /
COPY --from=build /src/.build/bundle/rstream-manager /src/.build/bundle/rstream-agent /
ENV NODE_ENV=production PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/rstream-manager"]
LABEL org.opencontainers.image.title="rstream-operator" org.opencontainers.image.licenses="Apache-2.0"
