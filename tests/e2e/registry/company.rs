//! Behind a corporate proxy and certificate authority: every client of the program follows the environment.

use super::harness::{MOTO_TLS, Registry, User, assert_pushed, assert_refused, aws, ca_file, run};
use super::image;
use super::relay::Relay;

#[test]
fn the_registry_is_reached_through_the_proxy_unless_exempt() {
    let relay = Relay::start();
    let (url, ca) = (relay.url(), ca_file());
    let repository = Registry::Ghcr.repository("proxy");
    let image = image::load(&repository.tag("1"), &[10_000]);
    let writer = User::named("nd-writer");
    let mut environment = writer.settings().to_vec();
    environment.extend([("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "ghcr.io"), ("SSL_CERT_FILE", &ca)]);
    assert_pushed(&run(&["push", &image.tag], &environment), &[(&repository, "1")]);
    assert_eq!(relay.count("ghcr.io"), 0);

    environment.retain(|(name, _)| *name != "NO_PROXY");
    assert_pushed(&run(&["push", &image.tag], &environment), &[(&repository, "1")]);
    assert!(relay.count("CONNECT ghcr.io:443") > 0, "the registry was not asked through the proxy");
}

/// The path to AWS: pushing an image requires an ECR token.
fn check_aws(name: &str, arguments: &[&str], environment: &[(&str, &str)]) {
    let repository = Registry::Ecr.repository(name);
    let image = image::load(&repository.tag("1"), &[10_000]);
    let mut all = aws();
    all.retain(|(name, _)| !environment.iter().any(|(other, _)| other == name));
    all.extend(environment);
    let arguments = [&["push", image.tag.as_str()], arguments].concat();
    assert_pushed(&run(&arguments, &all), &[(&repository, "1")]);
}

#[test]
fn aws_is_reached_through_the_proxy() {
    let relay = Relay::start();
    let (url, ca) = (relay.url(), ca_file());
    let environment = [("HTTPS_PROXY", url.as_str()), ("AWS_ENDPOINT_URL", MOTO_TLS)];
    check_aws("tunnel", &["--ca-bundle", &ca], &environment);
    assert!(relay.count("CONNECT aws.nextdeploy.test:5596") > 0);
}

#[test]
fn every_certificate_authority_setting_applies_to_aws() {
    let ca = ca_file();
    let endpoint = ("AWS_ENDPOINT_URL", MOTO_TLS);
    check_aws("bundle", &["--ca-bundle", &ca], &[endpoint]);
    check_aws("certfile", &[], &[endpoint, ("SSL_CERT_FILE", &ca)]);
    check_aws("awsbundle", &[], &[endpoint, ("AWS_CA_BUNDLE", &ca)]);
}

#[test]
fn an_untrusted_authority_is_reported() {
    let repository = Registry::Ecr.repository("untrusted");
    let image = image::load(&repository.tag("1"), &[10_000]);
    let mut environment = aws();
    environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    environment.push(("AWS_ENDPOINT_URL", MOTO_TLS));
    let refused = run(&["push", &image.tag], &environment);
    assert_refused(&refused, 5, "aws", &["certificate", "--ca-bundle"]);
    assert_eq!(repository.tags(), Vec::<String>::new());
}
