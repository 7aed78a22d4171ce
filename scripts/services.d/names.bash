# shellcheck shell=bash
# Host names of public registries that resolve to loopback, and their certificate authority.

TLS_DIR=$STATE_DIR/tls
HOSTS_MARK="# nextdeploy-services"
CA_FILE=$RUN_DIR/registry-ca.crt

# map_name ADDRESS HOST: maps HOST to ADDRESS in /etc/hosts; fails if there is another entry for it.
map_name() {
  local line="$1 $2 $HOSTS_MARK"
  grep -qxF "$line" /etc/hosts && return
  if awk -v name="$2" '{ sub(/#.*/, ""); for (i = 2; i <= NF; i++) if ($i == name) found = 1 } END { exit !found }' /etc/hosts; then
    die "/etc/hosts has an entry for $2 that scripts/services did not write: remove it first"
  fi
  [[ -z $(tail -c 1 /etc/hosts) ]] || echo >>/etc/hosts
  printf '%s\n' "$line" >>/etc/hosts
}

# unmap_name ADDRESS HOST: undoes map_name.
unmap_name() {
  local rest
  grep -qxF "$1 $2 $HOSTS_MARK" /etc/hosts || return 0
  rest=$(grep -vxF "$1 $2 $HOSTS_MARK" /etc/hosts)
  # In place: inside a container the file is a mount.
  printf '%s\n' "$rest" >/etc/hosts
}

trust_file() { printf '/etc/docker/certs.d/%s/ca.crt' "$1"; }

# trust_in_docker HOST: makes the daemon and skopeo trust our authority for HOST; both read the file per request.
trust_in_docker() {
  local file
  file=$(trust_file "$1")
  if [[ -e $file ]] && ! cmp -s "$file" "$TLS_DIR/ca.crt"; then
    # From an earlier authority of this script, or from the user.
    openssl x509 -in "$file" -noout -subject 2>/dev/null | grep -q 'nextdeploy-services' || die "scripts/services did not write $file: remove it first"
  fi
  install -D -m 644 "$TLS_DIR/ca.crt" "$file"
}

# distrust_in_docker HOST: undoes trust_in_docker.
distrust_in_docker() {
  local file
  file=$(trust_file "$1")
  cmp -s "$file" "$TLS_DIR/ca.crt" || return 0
  rm -f "$file"
  rmdir --ignore-fail-on-non-empty "$(dirname "$file")" /etc/docker/certs.d
}

# still_valid CERTIFICATE: valid for at least another week.
still_valid() { [[ -s $1 ]] && openssl x509 -in "$1" -noout -checkend 604800 >/dev/null; }

# make_certificate NAME SUBJECT OPTION...: creates NAME.key and NAME.crt in TLS_DIR.
make_certificate() {
  local name=$1 subject=$2
  shift 2
  openssl req -x509 -nodes -days 365 -subj "/O=nextdeploy-services/CN=$subject" \
    -keyout "$TLS_DIR/$name.key" -out "$TLS_DIR/$name.crt" "$@" 2>"$TLS_DIR/openssl.log" ||
    { cat "$TLS_DIR/openssl.log" >&2; die "openssl cannot create the certificate for $subject"; }
}

# make_authority: creates the certificate authority; CA_FILE is for clients.
make_authority() {
  install_packages openssl
  install -d -m 700 "$TLS_DIR"
  if ! still_valid "$TLS_DIR/ca.crt"; then
    rm -f "$TLS_DIR"/*.crt
    make_certificate ca "test authority" -newkey rsa:2048 \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  fi
  install -m 644 "$TLS_DIR/ca.crt" "$CA_FILE"
}

# make_host_certificate HOST: creates a certificate signed by our authority.
make_host_certificate() {
  still_valid "$TLS_DIR/$1.crt" && return
  # A common name has at most 64 characters; clients check the alternative name.
  make_certificate "$1" "${1:0:64}" -newkey rsa:2048 -CA "$TLS_DIR/ca.crt" -CAkey "$TLS_DIR/ca.key" \
    -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth -addext "subjectAltName=DNS:$1"
}
