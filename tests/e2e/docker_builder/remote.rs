//! The same daemon over the network: plain TCP, and TLS with client certificates, through small relays in this process.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nextdeploy::builder::BuildSecret;
use nextdeploy::diagnostic::Diagnostic;
use nextdeploy::docker::connection::{DaemonError, Engine, find_endpoint};
use nextdeploy::host::Environment;
use nextdeploy::secret::Secret;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};

use crate::docker::services_folder;

use super::harness::{BASE, Cleanup, build, docker, request, socket, unique};

async fn relay(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut daemon = UnixStream::connect(socket()).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut daemon).await;
}

async fn connect(pairs: &[(&str, &str)]) -> Result<Engine, DaemonError> {
    let environment = Environment::from_pairs(pairs.iter().copied());
    Engine::connect(find_endpoint(&environment, None)?, &environment).await
}

/// A build that also needs the session.
async fn build_with_secret(engine: &Engine, tag: &str) {
    let mut request = request(tag);
    request.secrets.push(BuildSecret { id: "token".into(), value: Secret::new(b"far-away-secret".to_vec()) });
    let dockerfile = format!(
        "{BASE}RUN --mount=type=secret,id=token,required=true echo {} && wc -c < /run/secrets/token > /n\n",
        unique()
    );
    let built = build(engine, &request, &dockerfile).await;
    assert_eq!(docker(&["run", "--rm", &built.image().id, "cat", "/n"]).trim(), "15");
}

#[tokio::test]
async fn docker_host_over_tcp_builds_with_secrets() {
    let _cleanup = Cleanup(&["tcp"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream));
        }
    });
    let engine = connect(&[("DOCKER_HOST", &host)]).await.unwrap();
    build_with_secret(&engine, "tcp").await;
}

/// An authority, a server certificate for 127.0.0.1 and a client certificate, created as in Docker's documentation.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
    let mut authority =
        vec!["req", "-x509", "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=nd test authority"];
    authority.extend(key);
    openssl(&authority);
    std::fs::write(folder.join("server.ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n").unwrap();
    std::fs::write(folder.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    for (name, certificate, private) in [("server", "server.pem", "server-key.pem"), ("client", "cert.pem", "key.pem")]
    {
        let mut ask = vec!["req", "-keyout", private, "-out", "request.pem", "-subj", "/CN=nd test"];
        ask.extend(&key[..3]);
        openssl(&ask);
        let extensions = format!("{name}.ext");
        let sign = [
            "x509",
            "-req",
            "-in",
            "request.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-CAcreateserial",
            "-days",
            "2",
        ];
        openssl(&[&sign[..], &["-out", certificate, "-extfile", &extensions]].concat());
    }
}

fn acceptor(folder: &Path) -> tokio_rustls::TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

#[tokio::test]
async fn docker_host_over_tls_requires_valid_certificates() {
    let _cleanup = Cleanup(&["tls"]);
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let acceptor = acceptor(folder.path());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    relay(stream).await;
                }
            });
        }
    });
    let path = folder.path().to_str().unwrap();
    let pairs = [("DOCKER_HOST", host.as_str()), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)];
    build_with_secret(&connect(&pairs).await.unwrap(), "tls").await;

    // An unknown authority, a client without a certificate, and an invalid certificate file.
    let stranger = tempfile::tempdir().unwrap();
    let stranger_path = stranger.path().to_str().unwrap();
    let unknown = connect(&[pairs[0], pairs[1], ("DOCKER_CERT_PATH", stranger_path)]).await.unwrap_err();
    assert_eq!(unknown.code(), "daemon/tls");
    assert!(unknown.to_string().contains("not signed by a trusted authority"), "{unknown}");
    std::fs::copy(folder.path().join("ca.pem"), stranger.path().join("ca.pem")).unwrap();
    let anonymous = connect(&[pairs[0], pairs[1], ("DOCKER_CERT_PATH", stranger_path)]).await.unwrap_err();
    assert_eq!(anonymous.code(), "daemon/tls", "{anonymous}");
    std::fs::write(stranger.path().join("ca.pem"), "no certificate").unwrap();
    let malformed = connect(&[pairs[0], pairs[1], ("DOCKER_CERT_PATH", stranger_path)]).await.unwrap_err();
    assert!(malformed.code() == "daemon/tls" && malformed.to_string().contains("ca.pem"), "{malformed}");
}

/// Acts as a remote machine: an SSH server on loopback, and the real ssh with a key for it.
fn by_ssh(address: &str) -> Vec<(String, String)> {
    let path = format!("{}/ssh/bin:{}", services_folder(), std::env::var("PATH").unwrap());
    vec![("DOCKER_HOST".into(), address.into()), ("PATH".into(), path)]
}

async fn connect_by_ssh(address: &str) -> Result<Engine, DaemonError> {
    let pairs = by_ssh(address);
    connect(&pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn docker_host_over_ssh_builds_with_secrets_through_one_login() {
    let _cleanup = Cleanup(&["ssh"]);
    let engine = connect_by_ssh("ssh://root@127.0.0.1:5522").await.unwrap();
    build_with_secret(&engine, "ssh").await;
    let logins = logins();
    assert_eq!(logins.len(), 1, "connections share a login: {logins:?}");
    drop(engine);
    for _ in 0..50 {
        if self::logins().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("a login is left behind: {:?}", self::logins());
}

/// The ssh processes that hold a shared login.
fn logins() -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = folders.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let texts = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    texts.filter(|line| line.contains("nextdeploy-ssh-") && line.contains("[mux]")).collect()
}

#[tokio::test]
async fn an_unreachable_ssh_daemon_explains_why() {
    for (address, reason, hint) in [
        ("ssh://root@127.0.0.1:1", "Connection refused", "docker version"),
        ("ssh://nobody@127.0.0.1:5522", "Permission denied", "ssh-copy-id"),
        ("ssh://root@127.0.0.1:5522/run/nothing.sock", "/run/nothing.sock", "docker version"),
    ] {
        let error = connect_by_ssh(address).await.unwrap_err();
        assert_eq!(error.code(), "daemon/ssh", "{error}");
        assert!(error.to_string().contains(reason) && error.to_string().contains(address), "{error}");
        assert!(error.hints()[0].contains(hint), "{:?}", error.hints());
    }
    let no_ssh = connect(&[("DOCKER_HOST", "ssh://far"), ("PATH", "/nowhere")]).await.unwrap_err();
    assert!(no_ssh.to_string().contains("`ssh` is not on the PATH"), "{no_ssh}");
}
