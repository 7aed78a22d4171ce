# shellcheck shell=bash
# Sourced by the other scripts after packages.bash: the cargo subcommands pinned in cargo-tools.txt.

# find_cargo_tools: prepends their folder to PATH; installs them if they are missing or have other versions.
find_cargo_tools() {
  local list folder
  list=$(dirname "${BASH_SOURCE[0]}")/cargo-tools.txt
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/nextdeploy/cargo-tools
  if ! cmp --silent "$list" "$folder/installed.txt"; then
    install_packages python3 python3-venv
    rm -rf "$folder"
    mkdir -p "$folder"
    # The distribution's python3: others may lack venv.
    /usr/bin/python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
      --no-deps --requirement "$list" || die "cannot install the tools in $list"
    cp "$list" "$folder/installed.txt"
  fi
  PATH=$folder/python/bin:$PATH
}
