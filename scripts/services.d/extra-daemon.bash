# shellcheck shell=bash
# A second Docker Engine, for tests that fill its disk or kill it.

extra_daemon_answers() { [[ -S $EXTRA_SOCKET ]] && timeout 10 docker -H "unix://$EXTRA_SOCKET" version >/dev/null 2>&1; }

start_extra_daemon() {
  if ! extra_daemon_answers; then
    install_packages docker.io iptables iproute2
    [[ -d /run/systemd/system ]] || mount_cgroups
    mkdir -p "$EXTRA_ROOT"
    mountpoint -q "$EXTRA_ROOT" || mount -t tmpfs -o "size=$EXTRA_DAEMON_SIZE" nextdeploy-extra "$EXTRA_ROOT"
    # Its own bridge: without one it would delete the bridge of the first daemon.
    ip link show "$EXTRA_BRIDGE" >/dev/null 2>&1 || ip link add "$EXTRA_BRIDGE" type bridge
    ip addr replace "$EXTRA_SUBNET" dev "$EXTRA_BRIDGE"
    ip link set "$EXTRA_BRIDGE" up
    rm -f "$EXTRA_SOCKET" "$RUN_DIR/extra-docker.pidfile"
    spawn extra-daemon dockerd --host "unix://$EXTRA_SOCKET" --bridge "$EXTRA_BRIDGE" \
      --data-root "$EXTRA_ROOT/data" --exec-root "$RUN_DIR/extra-exec" --pidfile "$RUN_DIR/extra-docker.pidfile"
    await_start extra-daemon extra_daemon_answers
  fi
  say extra-daemon "answers at $EXTRA_SOCKET"
}

stop_extra_daemon() {
  stop_process extra-daemon
  end_orphans
  local mount
  # Deepest first: a killed daemon leaves layers and network namespaces mounted.
  awk -v run="$RUN_DIR/extra-" 'index($5, run) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
    umount "$mount" 2>/dev/null || umount -l "$mount"
  done
  ip link delete "$EXTRA_BRIDGE" 2>/dev/null || true
  rm -rf --one-file-system "$EXTRA_ROOT" "$RUN_DIR/extra-exec" "$EXTRA_SOCKET" "$RUN_DIR/extra-docker.pidfile"
}

# end_orphans: kills what a killed second daemon leaves running: its containerd, and processes of build steps.
end_orphans() {
  local process pid
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    if grep -qsaF "$RUN_DIR/extra-exec" "$process/cmdline" ||
      awk -v data="$EXTRA_ROOT/data/" '$5 == "/" && index($0, data) { found = 1 } END { exit !found }' "$process/mountinfo" 2>/dev/null; then
      kill -9 "$pid" 2>/dev/null || true
    fi
  done
}
