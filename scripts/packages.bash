# shellcheck shell=bash
# Sourced by the other scripts: installs missing Debian or Ubuntu packages.

die() { printf 'error: %s\n' "$1" >&2; exit 1; }

# install_packages PACKAGE...: installs the missing ones.
install_packages() {
  local missing=() package log
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  [[ $(id -u) -eq 0 ]] || die "${missing[*]} must be installed: run this as root, or install them first"
  command -v apt-get >/dev/null || die "${missing[*]} must be installed, and this is neither Debian nor Ubuntu"
  printf '%-13s installing %s\n' packages "${missing[*]}" >&2
  log=$(mktemp)
  if ! apt_install "${missing[@]}" >"$log" 2>&1; then
    # The usual cause is a missing or outdated package list.
    apt-get update >>"$log" 2>&1 || true
    apt_install "${missing[@]}" >>"$log" 2>&1 || { tail -n 15 "$log" >&2; die "cannot install ${missing[*]} (log: $log)"; }
  fi
  rm -f "$log"
}

# Waits for other apt-get processes.
apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" </dev/null
}

# require_rust: finds cargo, and a C compiler for linking.
require_rust() {
  # rustup's own folder is often not on the PATH of a non-login shell.
  command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
  command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup (see README.md)"
  command -v cc >/dev/null || install_packages gcc libc6-dev
}
