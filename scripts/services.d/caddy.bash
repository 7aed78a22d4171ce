# shellcheck shell=bash
# Caddy with an empty configuration on loopback, for the proxy tests, which load sites through its admin API.

CADDY_ADMIN=127.0.0.1:5597
CADDY_DIR=$STATE_DIR/caddy
# With 0, connections waiting to be accepted are reset when Caddy loads a configuration (docs/proxy.md).
MIGRATION=/proc/sys/net/ipv4/tcp_migrate_req
MIGRATION_BEFORE=$RUN_DIR/tcp_migrate_req

caddy_answers() { answers_with 200 "http://$CADDY_ADMIN/config/"; }

install_caddy() {
  install_packages caddy curl
  # The package's own service would listen on ports 80 and 2019.
  [[ ! -d /run/systemd/system ]] || systemctl disable --quiet --now caddy 2>/dev/null || true
}

start_caddy() {
  install_caddy
  if ! caddy_answers; then
    rm -rf --one-file-system "$CADDY_DIR"
    mkdir -p "$CADDY_DIR"
    # Redirects to HTTPS would need port 80, and certificates an external authority.
    cat >"$CADDY_DIR/config.json" <<CONFIG
{ "admin": { "listen": "$CADDY_ADMIN", "config": { "persist": false } } }
CONFIG
    spawn caddy env "HOME=$CADDY_DIR" "XDG_DATA_HOME=$CADDY_DIR" "XDG_CONFIG_HOME=$CADDY_DIR" \
      caddy run --config "$CADDY_DIR/config.json"
    await_start caddy caddy_answers
  fi
  if [[ -w $MIGRATION && $(<"$MIGRATION") == 0 ]]; then
    cp "$MIGRATION" "$MIGRATION_BEFORE"
    echo 1 >"$MIGRATION"
  fi
  say caddy "$(caddy version | cut -d' ' -f1) answers at http://$CADDY_ADMIN"
}

stop_caddy() {
  stop_process caddy
  if [[ -e $MIGRATION_BEFORE ]]; then
    cat "$MIGRATION_BEFORE" >"$MIGRATION"
    rm -f "$MIGRATION_BEFORE"
  fi
  rm -rf --one-file-system "$CADDY_DIR"
}
