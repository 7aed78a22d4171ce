# shellcheck shell=bash
# Processes started by scripts/services; only those are stopped.

# spawn NAME COMMAND...: starts a process in its own session and records its pid.
# It must not inherit the lock on descriptor 9.
spawn() {
  local name=$1
  shift
  # Not in the caller's folder, which may be removed.
  setsid env --chdir=/ "$@" >"$RUN_DIR/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$RUN_DIR/$name.pid"
}

# started_pid NAME: prints the pid of the process that spawn started, if it is still running.
started_pid() {
  local pid_file=$RUN_DIR/$1.pid pid
  [[ -s $pid_file ]] || return 1
  pid=$(<"$pid_file")
  kill -0 "$pid" 2>/dev/null || return 1
  # The pid may have been reused after a reboot.
  case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
    *dockerd* | *podman* | *docker-registry* | *token-server* | *moto_server* | *sshd* | *caddy*) echo "$pid" ;;
    *) return 1 ;;
  esac
}

# stop_process NAME: stops the process that spawn started and waits until it has exited.
stop_process() {
  local pid tries
  if pid=$(started_pid "$1"); then
    kill "$pid"
    for ((tries = 0; tries < 150; tries++)); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
    kill -9 "$pid" 2>/dev/null || true
    say "$1" "stopped"
  else
    say "$1" "not started by this script"
  fi
  rm -f "$RUN_DIR/$1.pid"
}

# wait_until SECONDS COMMAND...: repeats until the command succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.3
  done
}

# await_start NAME ANSWERS: waits until the daemon that spawn started responds or has exited.
await_start() {
  wait_until 60 answers_or_ended "$1" "$2"
  "$2" && return
  tail -n 5 "$RUN_DIR/$1.log" >&2
  die "$1 does not respond (log: $RUN_DIR/$1.log)"
}

# Checks the pid only: until the new process has executed its program, it still has the name of this script.
answers_or_ended() { "$2" || ! kill -0 "$(<"$RUN_DIR/$1.pid")" 2>/dev/null; }
