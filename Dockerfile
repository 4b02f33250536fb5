# syntax=docker/dockerfile:1
# The published image, for amd64 and arm64, one build on each: scripts/image-root.ts lays out its files, the same that
# scripts/build-image.ts packs where there is no Docker. A test runs this file's steps and compares the two.

# What this base image gives is npm and Debian's libraries; the Node that runs and ships is the one of package-lock.json.
FROM node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates libatomic1
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-progress
COPY LICENSE tsconfig.json ./
COPY scripts scripts
COPY generated generated
COPY charts-ts charts-ts
COPY src src
RUN node_modules/.bin/node scripts/image-root.ts .build/root

# Node, exactly the libraries it links to, certificates and the two executables: no shell, no package manager.
FROM scratch
COPY --from=build /src/.build/root/ /
ENV NODE_ENV=production PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/rstream-manager"]
LABEL org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.title="rstream-operator"
