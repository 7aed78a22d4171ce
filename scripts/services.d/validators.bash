# shellcheck shell=bash
# Manifest validators from package registries, with pinned versions; nothing runs in the background.

VALIDATORS_DIR=$STATE_DIR/validators
VALIDATORS_BIN=$RUN_DIR/validators
VALIDATORS_PYTHON=(kubernetes-validate==1.37.0 botocore==1.44.5)
# The Debian release that has Docker Compose 2.
COMPOSE_SUITE=trixie
VALIDATORS_WANTED="${VALIDATORS_PYTHON[*]} compose-$COMPOSE_SUITE 1"

validators_answer() { [[ $(cat "$VALIDATORS_DIR/made" 2>/dev/null) == "$VALIDATORS_WANTED" && -x $VALIDATORS_BIN/docker-compose ]]; }

# download_compose FOLDER: the binary from another release's package, which only needs the C library.
download_compose() {
  local apt=$1/apt mirror package
  # The mirror of the installed release.
  mirror=$(apt-get indextargets --format "\$(REPO_URI)" | grep -v security | sort -u | head -n 1)
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$COMPOSE_SUITE" >"$apt/sources.list"
  local options=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update && (cd "$apt" && apt-get "${options[@]}" download docker-compose) || return
  package=$(echo "$apt"/docker-compose_*.deb)
  dpkg --extract "$package" "$apt/content" &&
    install -m 755 "$apt/content/usr/libexec/docker/cli-plugins/docker-compose" "$1/docker-compose" &&
    rm -rf --one-file-system "$apt"
}

install_validators() {
  [[ $(cat "$VALIDATORS_DIR/made" 2>/dev/null) == "$VALIDATORS_WANTED" ]] && return
  install_packages python3 python3-venv debian-archive-keyring
  say validators "installing ${VALIDATORS_PYTHON[*]} and Docker Compose of $COMPOSE_SUITE"
  rm -rf --one-file-system "$VALIDATORS_DIR"
  mkdir -p "$VALIDATORS_DIR"
  if ! {
    "$PYTHON" -m venv "$VALIDATORS_DIR/python" &&
      "$VALIDATORS_DIR/python/bin/pip" install --quiet --disable-pip-version-check "${VALIDATORS_PYTHON[@]}" &&
      download_compose "$VALIDATORS_DIR"
  } </dev/null >"$STATE_DIR/validators.log" 2>&1; then
    tail -n 15 "$STATE_DIR/validators.log" >&2
    die "cannot install the validators (log: $STATE_DIR/validators.log)"
  fi
  printf '%s' "$VALIDATORS_WANTED" >"$VALIDATORS_DIR/made"
}

# validator NAME COMMAND...: creates a command of that name in the folder that tests use.
validator() {
  printf '#!/bin/sh\nexec %s "$@"\n' "${*:2}" >"$VALIDATORS_BIN/$1"
  chmod 755 "$VALIDATORS_BIN/$1"
}

start_validators() {
  install_validators
  mkdir -p "$VALIDATORS_BIN"
  validator kubernetes-validate "$VALIDATORS_DIR/python/bin/kubernetes-validate" --strict
  validator task-definition-validate "$VALIDATORS_DIR/python/bin/python" "$SERVICES_DIR/task-definition-validate.py"
  validator docker-compose "$VALIDATORS_DIR/docker-compose"
  say validators "kubernetes-validate, task-definition-validate and docker-compose in $VALIDATORS_BIN"
}

stop_validators() {
  rm -rf --one-file-system "$VALIDATORS_BIN"
  say validators "stopped"
}
