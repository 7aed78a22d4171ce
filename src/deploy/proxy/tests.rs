use serde_json::{Value, json};

use super::config::{pair, pair_for, upstreams, with_side, with_site, with_upstream, without_site};
use super::switch::{UpstreamPair, UpstreamSide};
use super::*;
use crate::diagnostic::Diagnostic as _;

struct Given<'a> {
    addresses: &'a [&'a str],
    base_path: Option<&'a str>,
    health_path: Option<&'a str>,
    assets: Option<&'a str>,
}

const SHOP: Given<'_> =
    Given { addresses: &["shop.example.com"], base_path: None, health_path: Some("/api/health"), assets: None };

impl Given<'_> {
    fn of(&self, app: &str, upstream: &str) -> Result<Site, ProxyError> {
        let addresses: Vec<String> = self.addresses.iter().map(|text| (*text).to_owned()).collect();
        Site::new(&SiteInput {
            app,
            addresses: &addresses,
            upstream,
            base_path: self.base_path,
            health_path: self.health_path,
            assets: self.assets,
        })
    }

    fn site(&self) -> Site {
        self.of("shop", "127.0.0.1:3000").unwrap()
    }
}

fn at(addresses: &[&str]) -> Site {
    Given { addresses, ..SHOP }.site()
}

fn names(config: &Value, app: &str) -> Option<Vec<String>> {
    upstreams(config, app).map(|list| list.iter().map(ToString::to_string).collect())
}

#[test]
fn public_names_get_tls_and_others_do_not() {
    for (text, shown, listen) in [
        ("shop.example.com", "shop.example.com", ":443"),
        ("Shop.Example.COM", "shop.example.com", ":443"),
        ("shop.example.com:8443", "shop.example.com:8443", ":8443"),
        ("shop.example.com:80", "http://shop.example.com", ":80"),
        ("http://shop.example.com", "http://shop.example.com", ":80"),
        ("localhost", "http://localhost", "127.0.0.1:80"),
        ("localhost:8080", "http://localhost:8080", "127.0.0.1:8080"),
        ("shop.localhost:8080", "http://shop.localhost:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ("[::1]", "http://[::1]", "[::1]:80"),
        ("192.0.2.7", "http://192.0.2.7", ":80"),
        ("intranet", "http://intranet", ":80"),
        ("https://intranet", "https://intranet", ":443"),
        ("shop.internal", "http://shop.internal", ":80"),
        (":8080", ":8080", ":8080"),
        ("http://:80", ":80", ":80"),
    ] {
        let address = SiteAddress::parse(text).unwrap();
        assert_eq!((address.to_string().as_str(), address.listen().as_str()), (shown, listen), "{text}");
        assert_eq!(SiteAddress::parse(shown).unwrap(), address, "{text}: what is written means the same");
    }
}

#[test]
fn addresses_that_cannot_be_served_are_refused() {
    for text in [
        "",
        ":",
        ":0",
        ":70000",
        ":x",
        ":+80",
        "ftp://a.com",
        "a.com/docs",
        "https://:443",
        "*.example.com",
        "a b.com",
        "a..com",
        "-a.com",
        "a-.com",
        "münchen.de",
        "a.com:",
        "[::1",
        "[::g]:80",
        "::1",
        "a.com {",
        "a.com\nb.com",
        "{$HOME}",
        "a_b.com",
        "1.2.3",
        "a,b.com",
    ] {
        let error = SiteAddress::parse(text).unwrap_err();
        assert_eq!(error.code(), "proxy/invalid-value", "{text}");
        assert!(!error.to_string().contains('\n'), "{text}");
    }
}

#[test]
fn hostile_values_are_refused() {
    let hostile = ["a\"b", "a`b", "a\\b", "a{$HOME}b", "a{env.HOME}", "a\nb", "a\0b", "a}"];
    for text in hostile {
        let path = format!("/{text}");
        for given in [
            Given { base_path: Some(&path), ..SHOP },
            Given { health_path: Some(&path), ..SHOP },
            Given { assets: Some(&path), ..SHOP },
        ] {
            assert_eq!(given.of("shop", "a:1").unwrap_err().code(), "proxy/invalid-value", "{text}");
        }
        assert!(SHOP.of(text, "a:1").is_err(), "{text}");
        assert!(SHOP.of("shop", &format!("{text}:1")).is_err(), "{text}");
    }
    for (base_path, health_path, assets) in [
        (Some("docs"), None, None),
        (Some("/docs/"), None, None),
        (Some("/a/../b"), None, None),
        (None, Some("health"), None),
        (None, Some("/a b"), None),
        (None, Some("/a#b"), None),
        (None, None, Some("relative")),
        (None, None, Some("/a*")),
    ] {
        assert!(Given { base_path, health_path, assets, ..SHOP }.of("shop", "a:1").is_err());
    }
    for upstream in ["3000", "a:", "a:0", "a:99999", "http://a:1", "a:1/x", "a:1 b:2", ":1", "a:+1"] {
        assert!(SHOP.of("shop", upstream).is_err(), "{upstream}");
    }
    assert!(Given { addresses: &[], ..SHOP }.of("shop", "a:1").is_err());
    assert!(SHOP.of("shop", "next_app-1:3000").is_ok() && SHOP.of("shop", "[::1]:3000").is_ok());
}

#[test]
fn caddyfile_of_a_public_site() {
    let given = Given { base_path: Some("/docs"), assets: Some("/srv/my shop/"), ..SHOP };
    insta::assert_snapshot!(render_caddyfile(&given.site(), CaddyfileScope::Whole { admin: "127.0.0.1:2019" }));
}

#[test]
fn caddyfile_of_several_addresses() {
    let given =
        Given { addresses: &["a.example.org", "localhost:8080", "b.example.org", ":9000"], health_path: None, ..SHOP };
    insta::assert_snapshot!(render_caddyfile(&given.site(), CaddyfileScope::Site));
}

#[test]
fn json_of_a_public_site() {
    let given = Given { base_path: Some("/docs"), assets: Some("/srv/my shop"), ..SHOP };
    insta::assert_json_snapshot!(render_json(&given.site(), "127.0.0.1:2019").unwrap());
}

#[test]
fn a_site_is_added_to_what_is_there_and_nothing_else_changes() {
    let before = json!({
        "admin": { "listen": "127.0.0.1:2019" },
        "logging": { "logs": {} },
        "apps": {
            "tls": { "automation": {} },
            "http": { "grace_period": 5, "servers": { "srv0": {
                "listen": [":443"],
                "routes": [{ "match": [{ "host": ["other.example.com"] }], "handle": [{ "handler": "static_response" }], "terminal": true }],
            } } },
        },
    });
    let after = with_site(before.clone(), &at(&["shop.example.com"]), None).unwrap();
    let routes = after.pointer("/apps/http/servers/srv0/routes").unwrap().as_array().unwrap();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[0]["@id"], "nextdeploy:shop:443");
    assert_eq!(routes[1], before.pointer("/apps/http/servers/srv0/routes/0").unwrap().clone());
    assert_eq!(
        with_site(after.clone(), &at(&["shop.example.com"]), None).unwrap(),
        after,
        "the same again changes nothing"
    );
    assert_eq!(without_site(after, "shop").unwrap(), before, "taken away, all is as before");
    assert_eq!(without_site(before, "shop"), None);
    let alone = json!({ "admin": { "listen": "127.0.0.1:2019" } });
    let served = with_site(alone.clone(), &at(&["shop.example.com"]), None).unwrap();
    assert_eq!(without_site(served, "shop").unwrap(), alone);
}

#[test]
fn plain_names_in_the_server_of_another_get_no_certificate() {
    let before = json!({ "apps": { "http": { "servers": { "srv0": { "listen": ["0.0.0.0:8080"], "routes": [] } } } } });
    let after = with_site(before, &at(&["http://a.example.org:8080", "localhost:8080"]), None).unwrap();
    let server = after.pointer("/apps/http/servers/srv0").unwrap();
    assert_eq!(server["automatic_https"]["skip"], json!(["a.example.org", "localhost"]));
    assert_eq!(after.pointer("/apps/http/servers").unwrap().as_object().unwrap().len(), 1);
}

#[test]
fn apps_share_a_listener_and_leave_alone() {
    let shop = with_site(Value::Null, &at(&["shop.example.com", "http://shop.example.com"]), None).unwrap();
    let blog = Given { addresses: &["blog.example.com"], ..SHOP }.of("blog", "127.0.0.1:4000").unwrap();
    let both = with_site(shop.clone(), &blog, None).unwrap();
    assert_eq!(names(&both, "shop").unwrap(), ["127.0.0.1:3000"]);
    assert_eq!(names(&both, "blog").unwrap(), ["127.0.0.1:4000"]);
    assert_eq!(both.pointer("/apps/http/servers/nextdeploy_443/routes").unwrap().as_array().unwrap().len(), 2);
    assert_eq!(without_site(both.clone(), "blog").unwrap(), shop);
    let moved = with_site(both, &at(&["http://shop.example.com"]), None).unwrap();
    assert_eq!(moved.pointer("/apps/http/servers/nextdeploy_443/routes").unwrap().as_array().unwrap().len(), 1);
    assert!(moved.pointer("/apps/http/servers/nextdeploy_80").is_some());
}

#[test]
fn addresses_of_other_sites_are_not_taken() {
    let foreign = |matches: Value| {
        let mut route = json!({ "handle": [{ "handler": "static_response" }] });
        if !matches.is_null() {
            route["match"] = matches;
        }
        json!({ "apps": { "http": { "servers": { "srv0": { "listen": [":443", ":9000"], "routes": [route] } } } } })
    };
    let error = with_site(foreign(json!([{ "host": ["x", "SHOP.example.com"] }])), &at(&["shop.example.com"]), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Caddy already serves `shop.example.com`, in its server `srv0`, by a route that nextdeploy did not make"
    );
    assert_eq!(with_site(foreign(Value::Null), &at(&[":9000"]), None).unwrap_err().code(), "proxy/address-taken");
    // A part of its paths, or everything behind our own names, may belong to another site.
    for harmless in [json!([{ "host": ["shop.example.com"], "path": ["/wiki/*"] }]), Value::Null] {
        let after = with_site(foreign(harmless), &at(&["shop.example.com"]), None).unwrap();
        assert_eq!(after.pointer("/apps/http/servers/srv0/routes/0/@id").unwrap(), "nextdeploy:shop:443");
    }
    let other = Given { addresses: &["shop.example.com"], ..SHOP }.of("other", "127.0.0.1:1").unwrap();
    let error = with_site(with_site(Value::Null, &other, None).unwrap(), &at(&["shop.example.com"]), None).unwrap_err();
    assert_eq!(error.to_string(), "Caddy already serves `shop.example.com`, for the app `other`");
}

#[test]
fn a_switch_changes_upstreams_only_and_keeps_the_old_one_counted() {
    let before = with_site(Value::Null, &at(&["shop.example.com", "localhost:8080"]), None).unwrap();
    let new = Upstream::parse("127.0.0.1:3001").unwrap();
    let (after, previous) = with_upstream(before.clone(), "shop", &new).unwrap();
    assert_eq!(previous, [Upstream::parse("127.0.0.1:3000").unwrap()]);
    assert_eq!(names(&after, "shop").unwrap(), ["127.0.0.1:3001"]);
    let text = after.to_string();
    assert_eq!(text.matches("127.0.0.1:3000").count(), 2, "one draining handler for each listener");
    assert_eq!(text.matches("127.0.0.1:3001").count(), 2);
    // The same again changes nothing.
    let (again, previous) = with_upstream(after.clone(), "shop", &new).unwrap();
    assert_eq!((again, previous.len()), (after.clone(), 0));
    // Loading the same site with the upstream that it has keeps what drains.
    let site =
        Given { addresses: &["shop.example.com", "localhost:8080"], ..SHOP }.of("shop", "127.0.0.1:3001").unwrap();
    assert_eq!(with_site(after.clone(), &site, None).unwrap(), after);
    assert_eq!(with_upstream(after, "blog", &new), None);
    // An app whose name begins like this one's is another one.
    assert_eq!(names(&before, "sho"), None);
}

fn upstream(text: &str) -> Upstream {
    Upstream::parse(text).unwrap()
}

fn switch_folder() -> SwitchFolder {
    SwitchFolder::of(std::path::Path::new("/var/lib/nextdeploy/proxy"), "shop").unwrap()
}

/// Blue is the site's own upstream, green another.
fn switchable() -> (Value, UpstreamPair) {
    let site = at(&["shop.example.com", "localhost:8080"]);
    let pair = pair_for(&Value::Null, &site, &switch_folder(), UpstreamSide::Blue, upstream("127.0.0.1:20001"));
    (with_site(Value::Null, &site, Some(&pair)).unwrap(), pair)
}

#[test]
fn json_of_a_site_with_a_switch() {
    let pair =
        UpstreamPair::new(switch_folder(), UpstreamSide::Blue, upstream("127.0.0.1:3000"), upstream("127.0.0.1:20001"));
    insta::assert_json_snapshot!(with_site(Value::Null, &SHOP.site(), Some(&pair)).unwrap());
}

#[test]
fn a_pair_is_found_again_and_keeps_its_sides() {
    let (config, first) = switchable();
    assert_eq!(pair(&config, "shop"), Some(first.clone()));
    assert_eq!(pair(&config, "sho"), None);
    assert_eq!(names(&config, "shop").unwrap(), ["127.0.0.1:20001", "127.0.0.1:3000"]);
    let site = |to: &str| Given { addresses: &["shop.example.com", "localhost:8080"], ..SHOP }.of("shop", to).unwrap();
    // (the site's upstream, the side that is live) and what becomes of the pair.
    for (to, live, blue, green) in [
        ("127.0.0.1:3000", UpstreamSide::Blue, "127.0.0.1:3000", "127.0.0.1:20001"),
        ("127.0.0.1:20001", UpstreamSide::Green, "127.0.0.1:3000", "127.0.0.1:20001"),
        ("127.0.0.1:3000", UpstreamSide::Green, "127.0.0.1:20001", "127.0.0.1:3000"),
        ("127.0.0.1:20001", UpstreamSide::Blue, "127.0.0.1:20001", "127.0.0.1:3000"),
        ("127.0.0.1:4000", UpstreamSide::Blue, "127.0.0.1:4000", "127.0.0.1:20001"),
        ("127.0.0.1:4000", UpstreamSide::Green, "127.0.0.1:3000", "127.0.0.1:4000"),
    ] {
        let next = pair_for(&config, &site(to), &switch_folder(), live, upstream("127.0.0.1:29999"));
        assert_eq!((next.blue.as_str(), next.green.as_str()), (blue, green), "{to} {live:?}");
        let after = with_site(config.clone(), &site(to), Some(&next)).unwrap();
        assert_eq!(after == config, next == first, "{to} {live:?}");
        let drains = after.to_string().contains(r#":draining","match":[{"not":[{}]}],"handle":[{"#);
        assert_eq!(drains, to == "127.0.0.1:4000", "what is in the pair is counted there: {after}");
    }
    let moved = with_side(config.clone(), "shop", UpstreamSide::Green, &upstream("127.0.0.1:5000")).unwrap();
    assert_eq!(with_side(config.clone(), "blog", UpstreamSide::Green, &upstream("127.0.0.1:5000")), None);
    assert_eq!(pair(&moved, "shop").unwrap().green.as_str(), "127.0.0.1:5000");
    assert_eq!(pair(&moved, "shop").unwrap().blue, first.blue);
    assert_eq!(without_site(config, "shop"), Some(json!({})));
}

#[test]
fn a_switch_that_nobody_sees_is_taken_out() {
    let (config, _) = switchable();
    let (after, previous) = with_upstream(config.clone(), "shop", &upstream("127.0.0.1:4000")).unwrap();
    assert_eq!(previous, [upstream("127.0.0.1:20001"), upstream("127.0.0.1:3000")]);
    assert_eq!((pair(&after, "shop"), names(&after, "shop").unwrap()), (None, vec!["127.0.0.1:4000".to_owned()]));
    let plain = with_site(config, &at(&["shop.example.com", "localhost:8080"]), None).unwrap();
    assert_eq!((pair(&plain, "shop"), names(&plain, "shop").unwrap()), (None, vec!["127.0.0.1:3000".to_owned()]));
}

#[test]
fn the_admin_api_is_an_address_without_password_and_path() {
    for (text, address, near) in [
        ("http://127.0.0.1:2019", "http://127.0.0.1:2019", true),
        ("localhost:2019/", "http://localhost:2019", true),
        ("http://[::1]:2019", "http://[::1]:2019", true),
        ("https://caddy.example.com", "https://caddy.example.com", false),
    ] {
        let admin = CaddyAdmin::new(text).unwrap();
        assert_eq!((admin.address(), admin.is_on_loopback(), admin.listen_address().is_ok()), (address, near, near));
    }
    for text in ["", "http://", "unix:///run/x", "http://a:b@127.0.0.1:2019", "http://127.0.0.1:2019/config"] {
        let error = CaddyAdmin::new(text).unwrap_err();
        assert_eq!(error.code(), "proxy/admin-address", "{text}");
        assert!(!error.to_string().contains("a:b"), "{error}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Blocks of a Caddyfile as its grammar reads them: words of a line, depth by lonely braces at the end of a line.
    fn heads(text: &str) -> Vec<String> {
        let mut depth = 0;
        let mut heads = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line == "}" {
                depth -= 1;
            } else if let Some(head) = line.strip_suffix('{') {
                if depth == 0 {
                    heads.push(head.trim().to_owned());
                }
                depth += 1;
            } else {
                assert!(depth > 0, "a line outside of all blocks: {line}");
            }
        }
        assert_eq!(depth, 0, "{text}");
        heads
    }

    proptest! {
        #[test]
        fn no_value_ends_or_begins_a_block(
            app in any::<String>(),
            address in prop_oneof![any::<String>(), "[a-z.:\\[\\]0-9{}$ ]{1,20}"],
            path in prop_oneof![any::<String>(), "/[a-z \"`\\\\{}$.#*\n]{0,12}"],
            upstream in prop_oneof![any::<String>(), "[a-z{}. ]{1,8}:[0-9]{1,5}"],
        ) {
            let addresses = ["shop.example.com".to_owned(), address];
            for (base_path, health_path, assets) in
                [(Some(path.as_str()), None, None), (None, Some(path.as_str()), None), (None, None, Some(path.as_str()))]
            {
                let words = SiteInput { app: &app, addresses: &addresses, upstream: &upstream, base_path, health_path, assets };
                let tame = SiteInput { app: "shop", upstream: "127.0.0.1:3000", ..words };
                for words in [&words, &tame, &SiteInput { addresses: &addresses[..1], ..tame }] {
                    let Ok(site) = Site::new(words) else { continue };
                    let text = render_caddyfile(&site, CaddyfileScope::Site);
                    prop_assert_eq!(heads(&text).join(", ").split(", ").count(), site.addresses().len(), "{}", text);
                    prop_assert!(!text.contains("{$") && !text.contains('`') && !text.contains('\\'), "{}", text);
                    prop_assert!(text.lines().all(|line| line.matches('"').count() % 2 == 0), "{}", text);
                }
            }
        }
    }
}
