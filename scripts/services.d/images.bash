# shellcheck shell=bash
# Base images: pulled if a registry is reachable, else built from Debian and npm packages.

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# try_pull IMAGE: pulls it, but gives up within seconds if no registry responds.
try_pull() {
  local log=$STATE_DIR/pull.log pull
  docker pull "$1" >"$log" 2>&1 </dev/null 9>&- &
  pull=$!
  # "Pulling from" is printed as soon as the registry has responded.
  wait_until 6 pull_is_decided "$pull" "$log" || { kill "$pull" 2>/dev/null || true; }
  wait "$pull" 2>/dev/null
}

pull_is_decided() { ! kill -0 "$1" 2>/dev/null || grep -q 'Pulling from' "$2"; }

start_images() {
  docker_answers || start_docker
  local major
  for major in $NODE_MAJORS; do
    local image=node:$major-slim
    if has_image "$image"; then
      say images "$image exists"
    elif try_pull "$image"; then
      say images "$image pulled"
    else
      say images "$image cannot be pulled: building it from Debian and npm packages"
      make_base_image "$major"
      say images "$image built ($(docker image inspect -f '{{.Size}}' "$image" | numfmt --to=si)B)"
    fi
  done
}

# make_debian_tree: a minimal Debian, created once and kept as an archive.
make_debian_tree() {
  local archive=$STATE_DIR/debian-$SUITE.tar tree=$STATE_DIR/debian-$SUITE.tmp
  [[ -s $archive ]] && return
  install_packages debootstrap debian-archive-keyring ca-certificates
  say images "debootstrap $SUITE (about a minute)"
  rm -rf --one-file-system "$tree"
  debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$tree" >"$STATE_DIR/debootstrap.log" 2>&1 ||
    { tail -n 15 "$STATE_DIR/debootstrap.log" >&2; die "debootstrap failed (log: $STATE_DIR/debootstrap.log)"; }
  slim_tree "$tree"
  tar -C "$tree" --numeric-owner --sort=name -cf "$archive.part" .
  mv "$archive.part" "$archive"
  rm -rf --one-file-system "$tree"
}

# slim_tree DIR: removes files that no container needs: documentation, translations, package caches.
slim_tree() {
  find "$1/usr/share/doc" -mindepth 1 ! -type d ! -name copyright -delete
  find "$1/usr/share/doc" -mindepth 1 -type d -empty -delete
  rm -rf "${1:?}"/usr/share/{man,info,locale,groff,lintian,linda}/* \
    "${1:?}"/var/lib/apt/lists/* "${1:?}"/var/cache/{apt,debconf,ldconfig}/* "${1:?}"/var/log/* \
    "${1:?}"/debootstrap "${1:?}"/etc/{hostname,resolv.conf} "${1:?}"/dev/*
  mkdir -p "$1/var/lib/apt/lists/partial" "$1/var/cache/apt/archives/partial"
}

# make_base_image MAJOR: builds node:MAJOR-slim, with the CA bundle of this machine, because its network
# may intercept TLS and an install inside a build must trust it.
make_base_image() (
  local major=$1 arch work version
  case $(dpkg --print-architecture) in
    amd64) arch=x64 ;;
    arm64) arch=arm64 ;;
    *) die "no Node.js package for $(dpkg --print-architecture)" ;;
  esac
  make_debian_tree
  command -v npm >/dev/null || install_packages nodejs npm
  work=$(mktemp -d "$STATE_DIR/image.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT

  fetch_package "node-linux-$arch@$major" "$work/node"
  fetch_package npm@10 "$work/npm"
  mkdir "$work/root"
  tar -C "$work/root" --numeric-owner -xf "$STATE_DIR/debian-$SUITE.tar"
  install -D -m 755 "$work/node/bin/node" "$work/root/usr/local/bin/node"
  mkdir -p "$work/root/usr/local/include" "$work/root/usr/local/lib/node_modules"
  cp -r "$work/node/include/node" "$work/root/usr/local/include/"
  rm -rf "$work/root/usr/local/include/node/openssl/archs"
  mv "$work/npm" "$work/root/usr/local/lib/node_modules/npm"
  rm -rf "$work/root/usr/local/lib/node_modules/npm"/{docs,man}
  chown -R 0:0 "$work/root/usr/local"
  ln -s node "$work/root/usr/local/bin/nodejs"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/root/usr/local/bin/npx"
  chroot "$work/root" /usr/sbin/groupadd --gid 1000 node
  chroot "$work/root" /usr/sbin/useradd --uid 1000 --gid node --shell /bin/bash --create-home node
  [[ -s $CA_BUNDLE ]] && install -m 644 "$CA_BUNDLE" "$work/root$CA_BUNDLE"
  version=$(chroot "$work/root" /usr/local/bin/node -p 'process.versions.node')

  tar -C "$work/root" --numeric-owner --sort=name -c . | docker import \
    -c 'CMD ["node"]' \
    -c "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    -c "ENV NODE_VERSION=$version" \
    -c "ENV NODE_EXTRA_CA_CERTS=$CA_BUNDLE" \
    - "node:$major-slim" >/dev/null
)

# fetch_package SPEC DIR: unpacks a package from the npm registry.
fetch_package() {
  local download file
  download=$(mktemp -d "$STATE_DIR/package.XXXXXX")
  file=$(cd "$download" && npm pack --silent "$1" 2>"$download/log" | tail -n 1) ||
    { cat "$download/log" >&2; die "cannot fetch the npm package $1"; }
  mkdir -p "$2"
  tar -xzf "$download/$file" -C "$2" --strip-components=1 --no-same-owner
  rm -rf "$download"
}
