# shellcheck shell=bash
# AWS on loopback: moto serves ECR, STS and IAM; the registry has the host name and the password that moto returns.

MOTO_ADDRESS=127.0.0.1:5595
MOTO_IP=127.0.0.1
MOTO_TLS_PORT=5596
MOTO_TLS_HOST=aws.nextdeploy.test
MOTO_PACKAGES=(moto==5.2.5 flask==3.1.3 flask-cors==6.0.5)
MOTO_ENVIRONMENT=$STATE_DIR/moto
ECR_IP=127.0.0.1
ECR_REGION=eu-central-1
# The account that moto reports to every client.
ECR_HOST=123456789012.dkr.ecr.$ECR_REGION.amazonaws.com

moto_answers() { answers_with 200 "http://$MOTO_ADDRESS/moto-api/data.json"; }
moto_tls_answers() { answers_with 200 "https://$MOTO_TLS_HOST:$MOTO_TLS_PORT/moto-api/data.json" --cacert "$CA_FILE"; }
ecr_answers() { answers_with 401 "https://$ECR_HOST/v2/" --cacert "$CA_FILE"; }
aws_answers() { moto_answers && moto_tls_answers && ecr_answers; }

# make_moto_environment: created once per set of versions.
make_moto_environment() {
  local made=$MOTO_ENVIRONMENT/made
  [[ $(cat "$made" 2>/dev/null) == "${MOTO_PACKAGES[*]}" ]] && return
  install_packages python3 python3-venv
  say aws "installing ${MOTO_PACKAGES[*]}"
  rm -rf --one-file-system "$MOTO_ENVIRONMENT"
  "$PYTHON" -m venv "$MOTO_ENVIRONMENT"
  "$MOTO_ENVIRONMENT/bin/pip" install --quiet --disable-pip-version-check "${MOTO_PACKAGES[@]}" </dev/null >"$STATE_DIR/moto.log" 2>&1 ||
    { tail -n 15 "$STATE_DIR/moto.log" >&2; die "pip cannot install moto (log: $STATE_DIR/moto.log)"; }
  printf '%s' "${MOTO_PACKAGES[*]}" >"$made"
}

# ecr_login: prints user name and password of the authorization token, separated by a tab.
ecr_login() {
  curl --silent --show-error --fail --max-time 10 --noproxy '*' "http://$MOTO_ADDRESS/" --data '{}' \
    --header 'Content-Type: application/x-amz-json-1.1' \
    --header 'X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken' \
    --header "Authorization: AWS4-HMAC-SHA256 Credential=nd/20260101/$ECR_REGION/ecr/aws4_request, SignedHeaders=host, Signature=0" |
    "$PYTHON" -c '
import base64, json, sys
data, = json.load(sys.stdin)["authorizationData"]
print(*base64.b64decode(data["authorizationToken"]).decode().split(":", 1), sep="\t")'
}

# start_moto NAME ANSWERS OPTION...
start_moto() {
  "$2" && return
  install_packages curl
  make_moto_environment
  spawn "$1" "$MOTO_ENVIRONMENT/bin/moto_server" "${@:3}"
  await_start "$1" "$2"
}

start_aws() {
  make_authority
  make_host_certificate "$MOTO_TLS_HOST"
  map_name "$MOTO_IP" "$MOTO_TLS_HOST"
  start_moto moto moto_answers --host "${MOTO_ADDRESS%:*}" --port "${MOTO_ADDRESS#*:}"
  # A separate instance, which does not share the state of the first.
  start_moto moto-tls moto_tls_answers --host "$MOTO_IP" --port "$MOTO_TLS_PORT" \
    --ssl-cert "$TLS_DIR/$MOTO_TLS_HOST.crt" --ssl-key "$TLS_DIR/$MOTO_TLS_HOST.key"
  if ! ecr_answers; then
    install_registry
    mkdir -p "$REGISTRIES_DIR"
    make_host_certificate "$ECR_HOST"
    map_name "$ECR_IP" "$ECR_HOST"
    trust_in_docker "$ECR_HOST"
    ecr_login | write_htpasswd "$REGISTRIES_DIR/ecr.htpasswd"
    { https "$ECR_IP:443" "$ECR_HOST" && htpasswd_auth "$REGISTRIES_DIR/ecr.htpasswd"; } |
      serve_registry ecr ecr_answers
  fi
  say aws "moto answers at $MOTO_ADDRESS and https://$MOTO_TLS_HOST:$MOTO_TLS_PORT, the registry at https://$ECR_HOST"
}

stop_aws() {
  stop_process registry-ecr
  stop_process moto-tls
  stop_process moto
  unmap_name "$MOTO_IP" "$MOTO_TLS_HOST"
  unmap_name "$ECR_IP" "$ECR_HOST"
  distrust_in_docker "$ECR_HOST"
  rm -rf --one-file-system "${REGISTRIES_DIR:?}/ecr"
}
