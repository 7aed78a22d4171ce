//! Caddy interprets every accepted value as it was typed.

use nextdeploy::deploy::proxy::{CaddyfileScope, Site, SiteInput, render_caddyfile};
use proptest::prelude::*;
use serde_json::Value;

use super::caddy::adapt;

/// Every string of a configuration.
fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::Object(object) => object.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn caddy_parses_values_as_typed(
        folder in "/[a-zA-Zäß日 \"'`\\\\{}$#@!%&()*,.:;<=>?+^_~|\\[\\]\t\n/-]{0,16}",
        health in "/[a-z0-9\"'`\\\\{}$#@!%&()*,.:;<=>?/_~ -]{0,16}",
        base in "(/[a-zä0-9._~-]{1,6}){0,2}",
        host in "[a-z0-9.-]{1,12}\\.[a-z]{2,5}",
    ) {
        let addresses = [host];
        let words = SiteInput {
            app: "shop",
            addresses: &addresses,
            upstream: "127.0.0.1:3000",
            base_path: Some(&base),
            health_path: Some(&health),
            assets: Some(&folder),
        };
        // A rejected value must not keep the others from being tested.
        let tame = SiteInput { addresses: &["shop.example.com".to_owned()], health_path: None, assets: None, base_path: None, ..words };
        for words in [
            words,
            SiteInput { assets: words.assets, ..tame },
            SiteInput { health_path: words.health_path, base_path: words.base_path, ..tame },
        ] {
            let Ok(site) = Site::new(&words) else { continue };
            let text = render_caddyfile(&site, CaddyfileScope::Site);
            let adapted = adapt(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
            let mut found = Vec::new();
            strings(&adapted, &mut found);
            let wanted = [
                words.assets.map(|folder| folder.trim_end_matches('/').to_owned()),
                words.health_path.map(str::to_owned),
                Some(format!("{}/_next/static/*", words.base_path.unwrap_or_default())),
            ];
            for typed in wanted.into_iter().flatten() {
                prop_assert!(found.contains(&typed), "{:?} is not in {}\n{}", typed, text, adapted);
            }
            let servers = adapted.pointer("/apps/http/servers").unwrap().as_object().unwrap();
            prop_assert_eq!(servers.len(), 1, "{}", text);
            let routes = servers.values().next().unwrap()["routes"].as_array().unwrap();
            prop_assert_eq!(routes.len(), 1, "{}", text);
        }
    }
}
