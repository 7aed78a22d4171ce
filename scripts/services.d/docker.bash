# shellcheck shell=bash
# Docker Engine at the default socket.

docker_answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
docker_version() { timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }

start_docker() {
  if ! docker_answers; then
    # iptables is only recommended by the package, but the default bridge needs it.
    install_packages docker.io iptables
    if [[ -d /run/systemd/system ]]; then
      if ! systemctl start docker || ! wait_until 60 docker_answers; then
        die "systemd cannot start docker: see journalctl -u docker"
      fi
      touch "$RUN_DIR/docker.systemd"
    else
      sysctl -qw net.ipv4.ip_forward=1 2>/dev/null || echo 1 >/proc/sys/net/ipv4/ip_forward || true
      # A killed daemon leaves its pid file behind, and the next one refuses to start.
      [[ -e /var/run/docker.pid ]] && ! kill -0 "$(</var/run/docker.pid)" 2>/dev/null && rm -f /var/run/docker.pid
      mount_cgroups
      spawn docker dockerd
      await_start docker docker_answers
    fi
  fi
  say docker "Engine $(docker_version) answers"
}

# mount_cgroups: mounts cgroups as systemd does; dockerd refuses to start without them.
mount_cgroups() {
  [[ -e /sys/fs/cgroup/cgroup.controllers || -d /sys/fs/cgroup/devices ]] && return
  install_packages cgroupfs-mount
  cgroupfs-mount
}

stop_docker() {
  if [[ -e $RUN_DIR/docker.systemd ]]; then
    systemctl stop docker.socket docker
    rm -f "$RUN_DIR/docker.systemd"
    say docker "stopped"
  else
    stop_process docker
  fi
}
