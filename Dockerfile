# nextdeploy's own image. `tool` (the default) contains the static binary and certificate authorities, and nothing else; `shell` is for
# CI systems that start a shell in the job's image.
#
#   docker build .                                     compiles the program
#   docker build --build-arg PROGRAM=packed .          uses PACKED/{amd64,arm64}/nextdeploy, as releases do
#   docker build --build-arg ROOTS=IMAGE .             uses the certificate authorities of another image
ARG PROGRAM=compiled
ARG ROOTS=alpine:3.22
ARG SHELL_BASE=docker:28-git

FROM rust:1.95-alpine AS compiled
RUN apk add --no-cache musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock README.md ./
COPY src src
COPY benches benches
RUN cargo build --release --locked --bin nextdeploy && cp target/release/nextdeploy /nextdeploy

FROM scratch AS packed
ARG TARGETARCH
ARG PACKED=dist
COPY ${PACKED}/${TARGETARCH}/nextdeploy /nextdeploy

FROM ${PROGRAM} AS program

# On the builder's own platform, so that nothing is emulated: the files are the same on all platforms. Copying the content of a folder
# keeps modes; copying into a folder that does not exist does not.
FROM --platform=$BUILDPLATFORM ${ROOTS} AS roots
RUN mkdir -p /files/etc/ssl/certs /files/tmp && chmod 1777 /files/tmp && cp /etc/ssl/certs/ca-certificates.crt /files/etc/ssl/certs/

# A shell, git and the docker command line.
FROM ${SHELL_BASE} AS shell
COPY --from=program /nextdeploy /usr/local/bin/nextdeploy
ENTRYPOINT []
CMD ["sh"]

FROM scratch AS tool
COPY --from=roots /files/ /
COPY --from=program /nextdeploy /usr/local/bin/nextdeploy
# A home and temporary folder that any user can use. The default user is root: the daemon's socket is owned by root on most machines,
# and a step of a GitHub workflow cannot choose another user. Elsewhere use `docker run --user`, see docs/ci.md.
ENV PATH=/usr/local/bin HOME=/tmp
WORKDIR /tmp
ENTRYPOINT ["nextdeploy"]
CMD ["--help"]
