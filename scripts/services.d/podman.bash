# shellcheck shell=bash
# Podman's Docker API, with the base images.

podman_answers() {
  [[ -S $PODMAN_SOCKET ]] && DOCKER_HOST=unix://$PODMAN_SOCKET timeout 10 docker version >/dev/null 2>&1
}

start_podman() {
  if ! podman_answers; then
    command -v podman >/dev/null || install_packages podman containernetworking-plugins catatonit uidmap
    rm -f "$PODMAN_SOCKET"
    # Podman's defaults exceed the file and process limits of a machine that is itself a container.
    printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' >"$RUN_DIR/podman.conf"
    spawn podman CONTAINERS_CONF="$RUN_DIR/podman.conf" podman system service --time=0 "unix://$PODMAN_SOCKET"
    await_start podman podman_answers
  fi
  local major
  for major in $NODE_MAJORS; do
    podman image exists "docker.io/library/node:$major-slim" && continue
    has_image "node:$major-slim" || start_images
    docker save "node:$major-slim" | podman load --quiet >/dev/null
    # Podman stores an unqualified name under localhost; a build may also use the full one.
    podman image exists "docker.io/library/node:$major-slim" ||
      podman tag "localhost/node:$major-slim" "docker.io/library/node:$major-slim"
    say podman "node:$major-slim loaded"
  done
  say podman "$(podman --version | cut -d' ' -f3) answers at $PODMAN_SOCKET"
}

stop_podman() {
  stop_process podman
  rm -f "$PODMAN_SOCKET"
}
