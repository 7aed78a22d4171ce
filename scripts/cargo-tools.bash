# shellcheck shell=bash
# For the scripts beside it, after packages.bash: the cargo subcommands that cargo-tools.txt pins.

# find_cargo_tools: puts their folder at the front of PATH; installs them when they are missing or of other versions.
find_cargo_tools() {
  local list folder
  list=$(dirname "${BASH_SOURCE[0]}")/cargo-tools.txt
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/nextdeploy/cargo-tools
  if ! cmp --silent "$list" "$folder/installed.txt"; then
    install_packages python3 python3-venv
    rm -rf "$folder"
    mkdir -p "$folder"
    # The distribution's own: a python3 from elsewhere may come without venv.
    /usr/bin/python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
      --no-deps --requirement "$list" || die "the tools of $list cannot be installed"
    cp "$list" "$folder/installed.txt"
  fi
  PATH=$folder/python/bin:$PATH
}
