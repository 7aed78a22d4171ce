# shellcheck shell=bash
# Container registries on loopback: open, with passwords, with bearer tokens, and the last one as `ghcr.io` with TLS.

OPEN_ADDRESS=127.0.0.1:5590
HTPASSWD_ADDRESS=127.0.0.1:5591
TOKEN_ADDRESS=127.0.0.1:5592
TOKEN_SERVER_ADDRESS=127.0.0.1:5593
GHCR_HOST=ghcr.io
GHCR_IP=127.0.0.2
GHCR_TOKEN_PORT=5594
REGISTRIES_DIR=$STATE_DIR/registries
REGISTRY_USERS=$SERVICES_DIR/registry-users.json
PYTHON=/usr/bin/python3

# http_status URL [OPTION...]: prints the status of the response, `000` without one.
http_status() { curl --silent --output /dev/null --max-time 5 --noproxy '*' --write-out '%{http_code}' "${@:2}" "$1" 2>/dev/null || true; }

answers_with() { [[ $(http_status "$2" "${@:3}") == "$1" ]]; }

open_answers() { answers_with 200 "http://$OPEN_ADDRESS/v2/"; }
htpasswd_answers() { answers_with 401 "http://$HTPASSWD_ADDRESS/v2/"; }
token_answers() { answers_with 401 "http://$TOKEN_ADDRESS/v2/"; }
token_server_answers() { answers_with 200 "http://$TOKEN_SERVER_ADDRESS/token"; }
ghcr_answers() { answers_with 401 "https://$GHCR_HOST/v2/" --cacert "$CA_FILE"; }

registries_answer() { open_answers && htpasswd_answers && token_server_answers && token_answers && ghcr_answers; }

install_registry() {
  install_packages docker-registry apache2-utils curl python3 skopeo
  # The package's own service listens on another port and is not needed.
  [[ ! -d /run/systemd/system ]] || systemctl disable --quiet --now docker-registry 2>/dev/null || true
}

# serve_registry NAME ANSWERS: starts an empty registry whose configuration ends with the lines on standard input.
serve_registry() {
  local name=$1 answers=$2 config=$REGISTRIES_DIR/$1.yml
  if "$answers"; then
    cat >/dev/null
    return
  fi
  install_registry
  rm -rf --one-file-system "${REGISTRIES_DIR:?}/$name"
  mkdir -p "$REGISTRIES_DIR/$name"
  {
    cat <<CONFIG
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $REGISTRIES_DIR/$name }
  delete: { enabled: true }
CONFIG
    cat
  } >"$config"
  spawn "registry-$name" docker-registry serve "$config"
  await_start "registry-$name" "$answers"
}

plain_http() { printf 'http: { addr: "%s" }\n' "$1"; }

# https ADDRESS HOST
https() {
  printf 'http: { addr: "%s", tls: { certificate: "%s", key: "%s" } }\n' "$1" "$TLS_DIR/$2.crt" "$TLS_DIR/$2.key"
}

# token_auth REALM SERVICE
token_auth() {
  printf 'auth: { token: { realm: "%s", service: "%s", issuer: nextdeploy-services, rootcertbundle: "%s" } }\n' \
    "$1" "$2" "$TLS_DIR/tokens.crt"
}

# htpasswd_auth FILE
htpasswd_auth() { printf 'auth: { htpasswd: { realm: nextdeploy, path: "%s" } }\n' "$1"; }

# write_htpasswd FILE: from lines of name and password, separated by a tab.
write_htpasswd() {
  local name password
  while IFS=$'\t' read -r name password; do
    printf '%s' "$password" | htpasswd -inB -C 5 "$name" | grep .
  done >"$1"
}

htpasswd_users() {
  "$PYTHON" -c '
import json, sys
for name, password in json.load(open(sys.argv[1]))["htpasswd"].items():
    print(name, password, sep="\t")' "$REGISTRY_USERS"
}

start_token_server() {
  token_server_answers && return
  still_valid "$TLS_DIR/tokens.crt" || make_certificate tokens "token server" -newkey rsa:2048
  spawn token-server "$PYTHON" "$SERVICES_DIR/token-server.py" "$REGISTRY_USERS" "$TLS_DIR/tokens.key" "$TLS_DIR/tokens.crt" \
    "$TOKEN_SERVER_ADDRESS" "$GHCR_IP:$GHCR_TOKEN_PORT" "$TLS_DIR/$GHCR_HOST.crt" "$TLS_DIR/$GHCR_HOST.key"
  await_start token-server token_server_answers
}

start_registries() {
  if ! registries_answer; then
    install_registry
    mkdir -p "$REGISTRIES_DIR"
    make_authority
    make_host_certificate "$GHCR_HOST"
    map_name "$GHCR_IP" "$GHCR_HOST"
    trust_in_docker "$GHCR_HOST"
    htpasswd_answers || htpasswd_users | write_htpasswd "$REGISTRIES_DIR/users.htpasswd"

    plain_http "$OPEN_ADDRESS" | serve_registry open open_answers
    { plain_http "$HTPASSWD_ADDRESS" && htpasswd_auth "$REGISTRIES_DIR/users.htpasswd"; } |
      serve_registry htpasswd htpasswd_answers
    start_token_server
    { plain_http "$TOKEN_ADDRESS" && token_auth "http://$TOKEN_SERVER_ADDRESS/token" "$TOKEN_ADDRESS"; } |
      serve_registry token token_answers
    { https "$GHCR_IP:443" "$GHCR_HOST" && token_auth "https://$GHCR_HOST:$GHCR_TOKEN_PORT/token" "$GHCR_HOST"; } |
      serve_registry ghcr ghcr_answers
  fi
  say registries "answer at $OPEN_ADDRESS (open), $HTPASSWD_ADDRESS (passwords), $TOKEN_ADDRESS (tokens), https://$GHCR_HOST"
}

stop_registries() {
  local name
  for name in registry-ghcr registry-token token-server registry-htpasswd registry-open; do
    stop_process "$name"
  done
  unmap_name "$GHCR_IP" "$GHCR_HOST"
  distrust_in_docker "$GHCR_HOST"
  rm -rf --one-file-system "${REGISTRIES_DIR:?}"/{open,htpasswd,token,ghcr}
}
