//! `X-Registry-Auth`: a login in the form in which the daemon takes it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::Login;
use crate::registry::RegistryHost;
use crate::secret::Secret;

/// The value of `X-Registry-Auth` for a push to or pull from `host`.
///
/// The alphabet is the URL-safe one: the daemon takes anything else for an anonymous request, without a word.
pub fn registry_auth_header(login: &Login, host: &RegistryHost) -> Secret {
    let json = match login {
        Login::Anonymous => serde_json::json!({}),
        Login::Basic { username, password } => {
            serde_json::json!({ "username": username, "password": password.expose(), "serveraddress": host.config_key() })
        }
        Login::IdentityToken(token) => {
            serde_json::json!({ "identitytoken": token.expose(), "serveraddress": host.config_key() })
        }
        Login::RegistryToken(token) => {
            serde_json::json!({ "registrytoken": token.expose(), "serveraddress": host.config_key() })
        }
    };
    Secret::new(URL_SAFE.encode(json.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(login: &Login) -> serde_json::Value {
        let header = registry_auth_header(login, &RegistryHost::new("ghcr.io"));
        let bytes = URL_SAFE.decode(header.expose()).expect("the daemon decodes the URL-safe alphabet only");
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn passwords_survive_whatever_stands_in_them() {
        for password in ["a?b", ">>>", "~~~~", "ü", "a?>~ü", "\u{ff}\u{fe}?", "", "\"\\\n"] {
            let login = Login::new("me", password);
            assert_eq!(decoded(&login)["password"], password);
            assert_eq!(decoded(&login)["username"], "me");
        }
        let header = registry_auth_header(&Login::new("me", "?>~ü?>~ü?>~ü"), &RegistryHost::new("ghcr.io"));
        assert!(!header.expose().contains(['+', '/']) && header.expose().contains(['-', '_']), "{}", header.expose());
    }

    #[test]
    fn tokens_have_their_own_fields() {
        let identity = decoded(&Login::IdentityToken(Secret::new("t".to_owned())));
        assert_eq!(identity, serde_json::json!({ "identitytoken": "t", "serveraddress": "ghcr.io" }));
        let registry = decoded(&Login::RegistryToken(Secret::new("t".to_owned())));
        assert_eq!(registry, serde_json::json!({ "registrytoken": "t", "serveraddress": "ghcr.io" }));
        assert_eq!(decoded(&Login::Anonymous), serde_json::json!({}));
    }
}
