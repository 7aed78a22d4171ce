#!/usr/bin/env python3
"""A registry's token service, like that of GHCR: a request with a user name and a password gets a signed bearer token.

Usage: token-server.py USERS KEY CERTIFICATE ADDRESS [TLS_ADDRESS TLS_CERTIFICATE TLS_KEY]

USERS is `registry-users.json`; a user has `rights`, and may have `seconds` (lifetime of the tokens), `refused` (why this
password is rejected) or `push` (why a push is denied). Never writes a password anywhere.
"""

import base64
import json
import ssl
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LIFETIME_SECONDS = 300


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """RS256 with the certificate in the header, which the registry verifies."""

    def __init__(self, key, certificate):
        self.key = key
        with open(certificate, encoding="ascii") as file:
            self.chain = [base64.b64encode(ssl.PEM_cert_to_DER_cert(file.read())).decode()]

    def sign(self, claims):
        header = {"typ": "JWT", "alg": "RS256", "x5c": self.chain}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", self.key]
        signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
        return f"{text}.{base64url(signature)}"


class Denied(Exception):
    """A response in the error format of the registry API."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.body = {"errors": [{"code": code, "message": message}]}


def find_user(users, authorization):
    """The user of an `Authorization` header; None without one."""
    if authorization is None:
        return None, {"rights": []}
    scheme, _, value = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        raise Denied(400, "UNSUPPORTED", "malformed authorization header") from None
    user = users.get(name)
    if scheme.lower() != "basic" or user is None or user["password"] != password:
        raise Denied(403, "DENIED", "denied")
    if "refused" in user:
        raise Denied(403, "DENIED", user["refused"])
    return name, user


def grant(user, scopes):
    """The subset of the requested `repository:NAME:ACTIONS` that the user is allowed."""
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        requested = actions.split(",")
        if "push" in requested and "push" in user:
            raise Denied(403, "DENIED", user["push"])
        granted = [action for action in requested if action in user["rights"]]
        access.append({"type": kind, "name": name, "actions": granted})
    return access


class TokenHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    users = {}
    signer = None

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        try:
            if url.path != "/token":
                raise Denied(404, "NOT_FOUND", "no such page")
            self.answer(200, self.token(query))
        except Denied as denied:
            self.answer(denied.status, denied.body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(401, Denied(401, "UNAUTHORIZED", "there are no refresh tokens here").body)

    def token(self, query):
        name, user = find_user(self.users, self.headers.get("Authorization"))
        scopes = [scope for value in query.get("scope", []) for scope in value.split()]
        if name is None and scopes:
            # Not the standard text of the code: with that, Docker Engine 20.10 retries for 50 seconds.
            raise Denied(401, "UNAUTHORIZED", "nobody is logged in")
        now = int(time.time())
        lifetime = user.get("seconds", LIFETIME_SECONDS)
        claims = {
            "iss": "nextdeploy-services",
            "sub": name or "",
            "aud": query.get("service", [""])[0],
            # The registry tolerates a clock skew of one minute.
            "exp": now + lifetime - 60,
            "nbf": now - 3600,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "access": grant(user, scopes),
        }
        return {"token": self.signer.sign(claims), "expires_in": max(lifetime, 0)}

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code="-", size="-"):
        sys.stderr.write(f"{self.command} {self.path} {code}\n")


def serve(address, context=None):
    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), TokenHandler)
    if context:
        # The handshake happens in the thread of the connection, so that a silent client does not block others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def main(users, key, certificate, address, *tls):
    with open(users, encoding="utf-8") as file:
        TokenHandler.users = json.load(file)["token"]
    TokenHandler.signer = Signer(key, certificate)
    if tls:
        tls_address, tls_certificate, tls_key = tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls_certificate, tls_key)
        threading.Thread(target=serve, args=(tls_address, context), daemon=True).start()
    serve(address)


if __name__ == "__main__":
    main(*sys.argv[1:])
