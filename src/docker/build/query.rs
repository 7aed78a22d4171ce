//! A [`BuildRequest`] in the words of the Engine API: the query of `POST /build` and its registry header.
//!
//! Every value is percent-encoded; secrets never come here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::builder::{BuildRequest, RegistryCredentials};
use crate::config::settings::{CacheUse, PullPolicy};
use crate::docker::connection::{BuilderKind, Query};
use crate::image_ref::RegistryHost;

/// Path and query of the build.
pub(super) fn build_uri(request: &BuildRequest, builder: BuilderKind, session: Option<&str>) -> String {
    let mut query = Query::new("/build");
    query.add("dockerfile", &request.dockerfile);
    for tag in &request.tags {
        query.add("t", tag);
    }
    query.json("buildargs", &request.build_args, request.build_args.is_empty());
    query.json("labels", &request.labels, request.labels.is_empty());
    query.json("cachefrom", &request.cache_from, request.cache_from.is_empty());
    for (name, value) in
        [("platform", &request.platform), ("target", &request.target), ("networkmode", &request.network)]
    {
        if let Some(value) = value {
            query.add(name, value);
        }
    }
    if request.cache == CacheUse::Ignore {
        query.add("nocache", "1");
    }
    if request.pull == PullPolicy::Always {
        query.add("pull", "1");
    }
    // Intermediate containers of the classic builder go away even when a step fails.
    query.add("rm", "1");
    query.add("forcerm", "1");
    match builder {
        BuilderKind::BuildKit => query.add("version", "2"),
        BuilderKind::Classic => {
            query.add("version", "1");
            if let Some(memory) = request.memory {
                query.add("memory", &memory.to_string());
                // The same value for memory and swap together leaves no swap.
                query.add("memswap", &memory.to_string());
            }
        }
    }
    if let Some(session) = session {
        query.add("session", session);
    }
    query.into_uri()
}

/// `X-Registry-Config`: credentials by host, in the URL-safe alphabet that the daemon decodes.
pub(super) fn registry_config(credentials: &BTreeMap<String, RegistryCredentials>) -> String {
    let config: serde_json::Map<_, _> = credentials
        .iter()
        .map(|(host, credentials)| {
            // The daemon looks Docker Hub up under this name (Engine API, "Authentication").
            let host = RegistryHost::new(host);
            let login =
                serde_json::json!({ "username": credentials.username, "password": credentials.password.expose() });
            (host.config_key().to_owned(), login)
        })
        .collect();
    URL_SAFE.encode(serde_json::Value::Object(config).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn passwords_are_encoded_in_the_alphabet_that_the_daemon_decodes() {
        let login = RegistryCredentials { username: "u".into(), password: Secret::new("??>>~~ü".into()) };
        let header = registry_config(&BTreeMap::from([("docker.io".to_owned(), login)]));
        assert!(!header.contains(['+', '/']), "{header}");
        let decoded: serde_json::Value = serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(decoded["https://index.docker.io/v1/"]["password"], "??>>~~ü");
    }
}
