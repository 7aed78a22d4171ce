use std::convert::Infallible;

use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;
use crate::diagnostic::Diagnostic;

fn network(pairs: &[(&str, &str)]) -> Network {
    Network::new(&Environment::from_pairs(pairs.iter().copied()), None)
}

#[test]
fn proxies_are_read_in_either_case_and_passwords_are_not_shown() {
    let network = network(&[
        ("HTTPS_PROXY", "http://me:canary-pw@proxy.example:3128"),
        ("all_proxy", "cache.example:8080"),
        ("no_proxy", "localhost,.internal"),
    ]);
    let proxies = network.proxies().unwrap();
    assert_eq!(proxies.https.as_ref().unwrap().to_string(), "http://proxy.example:3128");
    assert_eq!(proxies.http.as_ref().unwrap().to_string(), "http://cache.example:8080");
    assert_eq!(proxies.no_proxy.as_deref(), Some("localhost,.internal"));
    assert!(!format!("{proxies:?}").contains("canary-pw"));
}

#[test]
fn loopback_hosts_are_recognized() {
    for host in ["localhost", "LocalHost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["ghcr.io", "10.0.0.1:5000", "localhost.example:5000", "127.0.0.1.example", "", ":80", "[::2]"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn an_invalid_proxy_error_names_the_variable_but_never_the_value() {
    for (variable, value, reason) in [
        ("HTTPS_PROXY", "socks5://me:canary-pw@h:1", "only `http://`"),
        ("http_proxy", "http://me:canary-pw@h:port", "not a URL"),
        ("ALL_PROXY", "http://", "not a URL"),
    ] {
        let error = network(&[(variable, value)]).client().unwrap_err();
        let message = error.to_string();
        assert!(message.contains(variable) && message.contains(reason), "{message}");
        assert!(!format!("{error:?} {message} {:?}", error.hints()).contains("canary"), "{error:?}");
    }
}

#[test]
fn http_proxy_is_ignored_in_cgi() {
    let network = network(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil.example")]);
    assert_eq!(network.proxies().unwrap().http, None);
}

#[test]
fn an_invalid_certificate_file_is_named_with_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    for (file, reason) in [
        (folder.path().join("absent.pem"), "No such file"),
        (write("empty.pem", ""), "no certificate"),
        (write("text.pem", "hello"), "no certificate"),
        (write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB"), "PEM"),
        (write("junk.pem", &pem("aGVsbG8=")), "certificate 1 of 1"),
    ] {
        let network = Network::new(&Environment::default(), Some(&file));
        let error = network.client().unwrap_err();
        let message = error.to_string();
        assert!(message.contains(file.to_str().unwrap()) && message.contains(reason), "{message}");
        assert!(message.contains("--ca-bundle"), "{message}");
        for variable in ["SSL_CERT_FILE", "AWS_CA_BUNDLE"] {
            let error = self::network(&[(variable, file.to_str().unwrap())]).aws_authorities().unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
        }
    }
}

#[test]
fn the_ca_bundle_adds_to_the_other_authorities() {
    let usual = network(&[]).authorities().unwrap().len();
    assert!(usual > 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, CA).unwrap();
    let added = Network::new(&Environment::default(), Some(&file));
    assert_eq!(added.authorities().unwrap().len(), usual + 1);
    added.client().unwrap();
    let aws = network(&[("AWS_CA_BUNDLE", file.to_str().unwrap())]);
    assert_eq!((aws.authorities().unwrap().len(), aws.aws_authorities().unwrap().len()), (usual, usual + 1));
    let only = network(&[("SSL_CERT_FILE", file.to_str().unwrap())]);
    assert_eq!(only.authorities().unwrap().len(), 1);
}

async fn read_chunks(chunks: &[&'static str], limit: usize) -> Result<Vec<u8>, String> {
    let frames = chunks.iter().map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk.as_bytes()))));
    let body = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
    read_body(body, limit).await.map(|read| read.bytes).map_err(|error| error.to_string())
}

#[tokio::test]
async fn bodies_are_read_up_to_the_limit() {
    assert_eq!(read_chunks(&["abc", "", "def"], 6).await.unwrap(), b"abcdef");
    assert_eq!(read_chunks(&[], 0).await.unwrap(), b"");
    for (chunks, limit) in [(&["abc", "def"][..], 5), (&["abcdef"], 5), (&["ab"], 1)] {
        assert_eq!(read_chunks(chunks, limit).await.unwrap_err(), format!("the response is longer than {limit} bytes"));
    }
}

#[tokio::test]
async fn an_endless_body_fails_at_the_limit() {
    let frames = std::iter::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1000]))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let error = read_body(body, 1 << 20).await.unwrap_err();
    assert_eq!(error.to_string(), "the response is longer than 1 MiB");
}

/// A self-signed authority.
const CA: &str = include_str!("tests/ca.pem");
