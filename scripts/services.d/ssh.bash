# shellcheck shell=bash
# An SSH server on loopback that acts as a remote machine with Docker. `$SSH_DIR/bin/ssh` is the real ssh with the key for it.

ssh_answers() { [[ -x $SSH_DIR/bin/ssh ]] && timeout 10 "$SSH_DIR/bin/ssh" -p "$SSH_PORT" root@127.0.0.1 true >/dev/null 2>&1; }

start_ssh() {
  if ! ssh_answers; then
    install_packages openssh-server openssh-client
    mkdir -p "$SSH_DIR/bin" /run/sshd
    chmod 700 "$SSH_DIR"
    local key
    for key in host_key client_key; do
      [[ -s $SSH_DIR/$key ]] || ssh-keygen -q -t ed25519 -N '' -f "$SSH_DIR/$key"
    done
    cp "$SSH_DIR/client_key.pub" "$SSH_DIR/authorized_keys"
    printf '[127.0.0.1]:%s %s\n' "$SSH_PORT" "$(cut -d' ' -f1,2 "$SSH_DIR/host_key.pub")" >"$SSH_DIR/known_hosts"
    cat >"$SSH_DIR/sshd_config" <<CONFIG
ListenAddress 127.0.0.1
Port $SSH_PORT
HostKey $SSH_DIR/host_key
AuthorizedKeysFile $SSH_DIR/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxStartups 100
PidFile none
CONFIG
    cat >"$SSH_DIR/ssh_config" <<CONFIG
IdentityFile $SSH_DIR/client_key
IdentitiesOnly yes
UserKnownHostsFile $SSH_DIR/known_hosts
CONFIG
    printf '#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' "$SSH_DIR/ssh_config" >"$SSH_DIR/bin/ssh"
    chmod 755 "$SSH_DIR/bin/ssh"
    spawn ssh /usr/sbin/sshd -D -e -f "$SSH_DIR/sshd_config"
    await_start ssh ssh_answers
  fi
  say ssh "answers at 127.0.0.1:$SSH_PORT, through $SSH_DIR/bin/ssh"
}

stop_ssh() {
  stop_process ssh
  rm -rf "$SSH_DIR"
}
