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
fn loopback_is_known_by_its_names() {
    for host in ["localhost", "LocalHost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["ghcr.io", "10.0.0.1:5000", "localhost.example:5000", "127.0.0.1.example", "", ":80", "[::2]"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_names_its_variable_and_never_its_value() {
    for (variable, value, reason) in [
        ("HTTPS_PROXY", "socks5://me:canary-pw@h:1", "only `http://`"),
        ("http_proxy", "http://me:canary-pw@h:port", "no URL"),
        ("ALL_PROXY", "http://", "no URL"),
    ] {
        let error = network(&[(variable, value)]).client().unwrap_err();
        let message = error.to_string();
        assert!(message.contains(variable) && message.contains(reason), "{message}");
        assert!(!format!("{error:?} {message} {:?}", error.hints()).contains("canary"), "{error:?}");
    }
}

#[test]
fn the_header_of_a_request_sets_no_proxy() {
    let network = network(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil.example")]);
    assert_eq!(network.proxies().unwrap().http, None);
}

#[test]
fn a_bad_certificate_file_is_named_with_who_named_it() {
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
fn authorities_of_the_bundle_come_on_top_of_the_others() {
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

/// A self-signed authority made for this test.
const CA: &str = include_str!("tests/ca.pem");
