//! The registry has exactly what was pushed, under every name, and returns it unchanged.

use serde_json::Value;

use super::harness::{Registry, assert_pushed, run};
use super::image;

#[test]
fn an_image_is_pushed_and_pulled_unchanged() {
    let repository = Registry::Open.repository("landing");
    let image = image::load(&repository.tag("1.0"), &[200_000, 1_000, 700_000]);
    let (layers, id) = (image.layers(), image.inspect()["Id"].clone());
    let pushed = run(&["push", &image.tag], &[]);
    assert_pushed(&pushed, &[(&repository, "1.0")]);
    repository.assert_whole();
    assert_eq!(repository.manifest("1.0")["layers"].as_array().map(Vec::len), Some(3));
    let config = repository.config("1.0");
    assert_eq!(config["config"]["Labels"][image::LABEL.0], image::LABEL.1);
    assert_eq!(serde_json::from_value::<Vec<String>>(config["rootfs"]["diff_ids"].clone()).unwrap(), layers);

    image.engine.docker(&["image", "rm", &image.tag]);
    for reference in
        [image.tag.clone(), format!("{}/{}@{}", repository.host, repository.path, repository.digest("1.0"))]
    {
        let pulled = run(&["pull", &reference], &[]);
        assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
        assert!(pulled.stdout.contains(&repository.digest("1.0")), "{}", pulled.stdout);
    }
    assert_eq!((image.layers(), image.inspect()["Id"].clone()), (layers, id));
}

#[test]
fn twenty_tags_have_one_digest() {
    let repository = Registry::Open.repository("tags");
    let names: Vec<_> = (1..=20).map(|number| format!("1.0.{number}")).collect();
    let first = image::load(&repository.tag(&names[0]), &[100_000, 100_000]);
    let images: Vec<_> = names[1..].iter().map(|name| image::name(&first, &repository.tag(name))).collect();
    let mut arguments = vec!["push", first.tag.as_str()];
    arguments.extend(images.iter().map(|image| image.tag.as_str()));
    let pushed = run(&arguments, &[]);
    assert_pushed(&pushed, &names.iter().map(|name| (&repository, name.as_str())).collect::<Vec<_>>());
    let mut tags = repository.tags();
    let mut expected = names.clone();
    tags.sort();
    expected.sort();
    assert_eq!(tags, expected);
    assert!(names.iter().all(|name| repository.digest(name) == repository.digest(&names[0])));
}

#[test]
fn a_second_push_transfers_nothing_and_reports_it() {
    let repository = Registry::Open.repository("again");
    let image = image::load(&repository.tag("1"), &[100_000, 100_000]);
    let result = |arguments: &[&str]| {
        let run = run(arguments, &[]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        serde_json::from_str::<Value>(&run.stdout).unwrap()
    };
    let first = result(&["push", "--json", &image.tag]);
    let second = result(&["push", "--json", &image.tag]);
    assert_eq!(first["pushed"][0]["unchanged"], false, "{first}");
    assert_eq!(second["pushed"][0]["unchanged"], true, "{second}");
    assert_eq!(second["movedBytes"], 0, "{second}");
    assert_eq!(second["pushed"][0]["digest"].as_str().unwrap(), repository.digest("1"));
}

#[test]
fn a_failing_registry_does_not_affect_the_others() {
    let (open, closed) = (Registry::Open.repository("several"), Registry::Htpasswd.repository("several"));
    let image = image::load(&open.tag("1"), &[50_000]);
    let refused = image::name(&image, &closed.tag("1"));
    let run = run(&["push", &refused.tag, &image.tag], &[]);
    assert_eq!(run.code, Some(5), "{}", run.stderr);
    assert_eq!(run.stdout.trim(), format!("{}@{}", open.tag("1"), open.digest("1")));
    for part in ["registry/no-credentials", refused.tag.as_str(), "hint:"] {
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    }
    open.assert_whole();
    assert_eq!(closed.tags(), Vec::<String>::new());
}

#[test]
fn every_registry_of_a_run_gets_its_own_credentials() {
    let (basic, token) = (Registry::Htpasswd.repository("own"), Registry::Token.repository("own"));
    let image = image::load(&basic.tag("1"), &[50_000]);
    let other = image::name(&image, &token.tag("1"));
    let (user, writer) = (Registry::Htpasswd.pusher().unwrap(), Registry::Token.pusher().unwrap());
    let environment = [
        ("NEXTDEPLOY_REGISTRY", Registry::Htpasswd.host()),
        ("NEXTDEPLOY_USERNAME", &user.name),
        ("NEXTDEPLOY_PASSWORD", &user.password),
        ("DOCKER_AUTH_CONFIG", &writer.docker_config(Registry::Token.host())),
    ];
    assert_pushed(&run(&["push", &image.tag, &other.tag], &environment), &[(&basic, "1"), (&token, "1")]);
}
