//! One table of names and values; the name stands before the first `=`. Tokens are put together here, so that no scanner of
//! repositories takes them for real ones.

use super::{SecretLook, secret_look};

#[track_caller]
fn check(expected: Option<SecretLook>, variables: &[&str]) {
    for variable in variables {
        let (name, value) = variable.split_once('=').unwrap();
        assert_eq!(secret_look(name, value), expected, "{variable}");
    }
}

/// The name or the value alone is sufficient: which of them is reported does not matter.
#[track_caller]
fn secret(variables: &[&str]) {
    for variable in variables {
        let (name, value) = variable.split_once('=').unwrap();
        assert!(secret_look(name, value).is_some(), "{variable}");
    }
}

#[test]
fn names_of_secrets() {
    for name in [
        "DATABASE_PASSWORD",
        "PGPASSWORD",
        "DBPASSWORD",
        "PGPASSWORD_READONLY",
        "MYSQL_PWD",
        "MYSQL_ROOT_PASSWORD",
        "REDISCLI_AUTH",
        "SMTP_PASS",
        "PGPASS",
        "dbPass",
        "dbPassword",
        "PASSWORD1",
        "DB_PASSWORD_PROD",
        "STRIPE_SECRET_KEY",
        "CLIENTSECRET",
        "API_KEY",
        "REAL_API_KEY",
        "apiKey",
        "APIKEY_2",
        "NPM_TOKEN",
        "AUTHTOKEN",
        "API_TOKENS",
        "JWT_SECRET",
        "COOKIE_SECRET",
        "PASSWORD_RESET_TOKEN",
        "SECRET_KEY_BASE",
        "ADMIN_PASSWORD_HASH",
        "AUTH_SECRET",
        "BASIC_AUTH",
        "KEY",
        "OPENAI_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AZURE_STORAGE_ACCOUNTKEY",
        "VAPID_PRIVATE_KEY",
        "github_token",
        "ENCRYPTION_KEY",
        "PASSWORD_SALT",
        "GOOGLE_CREDENTIALS",
        "PUBLIC_API_SECRET",
    ] {
        assert_eq!(secret_look(name, "hunter2!"), Some(SecretLook::Name), "{name}");
    }
    check(Some(SecretLook::Name), &["DB_PASSWORD=12345", "ENCRYPTION_KEY=correcthorse", "JWT_SECRET=/Zk3aB9xQ2/Wm5"]);
}

#[test]
fn names_that_only_sound_like_secrets() {
    for name in [
        "NEXT_PUBLIC_API_KEY",
        "STRIPE_PUBLISHABLE_KEY",
        "VAPID_PUBLIC_KEY",
        "SUPABASE_ANON_KEY",
        "PORT",
        "KEYCLOAK_REALM",
        "KEYCLOAK_URL",
        "MONKEY",
        "COMPASS",
        "COMPASS_X",
        "BYPASS",
        "BYPASS_CACHE",
        "PASS_THROUGH",
        "AUTHOR",
        "AUTH_URL",
        "AUTH_GITHUB_ID",
        "API_URL",
        "API_KEY_HEADER",
        "TOKENIZER",
        "TOKEN_SYMBOL",
        "SECRETARY",
        "SECRET_NAME",
        "NODE_ENV",
        "KEYBOARD_LAYOUT",
        "PASSENGER_COUNT",
        "PASSWORDLESS_LOGIN",
        "PASSWORD_POLICY",
        "COOKIE_DOMAIN",
        "SESSION_COOKIE_NAME",
        "JWT_ISSUER",
        "PRIVATE_REGISTRY",
        "SENTRY_DSN",
    ] {
        assert_eq!(secret_look(name, "hunter2!"), None, "{name}");
    }
}

#[test]
fn values_that_are_harmless_under_any_name() {
    check(
        None,
        &[
            "API_KEY=",
            "USE_PASSWORD=true",
            "REQUIRE_TOKEN=FALSE",
            "FETCH_CREDENTIALS=same-origin",
            "JWT_EXPIRES_IN=7d",
            "REFRESH_TOKEN=15 minutes",
            "SESSION_SECRET=1h30m",
            "TOKEN_EXPIRY=3600",
            "MAX_TOKENS=4096",
            "PASSWORD_MIN_LENGTH=8",
            "TOKEN_URL=https://auth.example.com/oauth/token",
            "NEXTAUTH_SECRET=${AUTH_SECRET}",
            "DB_PASSWORD=<your password>",
            "DB_PASSWORD=****",
            "DB_SECRET=arn:aws:secretsmanager:eu-central-1:012345678901:secret:shop",
            "GOOGLE_APPLICATION_CREDENTIALS=/run/secrets/google.json",
            "JWT_PRIVATE_KEY=./keys/jwt.pem",
            "PASSWORD_RESET_URL=/reset",
            "PWD=/app",
            "SORT_KEY=createdAt",
            "CACHE_KEY=v1",
            "DEFAULT_AUTH=github",
            "STRIPE_KEY=pk_live_51H8a1B2c3D4e5F6g7H8",
            "SENTRY_DSN=https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/2",
        ],
    );
}

#[test]
fn passwords_in_addresses() {
    check(
        Some(SecretLook::Value),
        &[
            "SETTING=postgres://app:s3cret@db/app",
            "SETTING=postgres://u:pa/ss@db",
            "SETTING=postgres://u:pa@ss@db",
            "SETTING=postgres://u:pa#ss@db:5432/x",
            "SETTING=postgres://u:pa?ss@db",
            "SETTING=postgres://u:pa%ss@db",
            "SETTING=postgres://u:12/34@db",
            "SETTING=postgres://u:password@db",
            "SETTING=redis://:pw@cache:6379",
            "SETTING=mongodb+srv://u:p@a.example,b.example/x",
            "SETTING=Server=x;Url=https://a:b@c",
            "SETTING=https://example.com:8080/, https://a:b@c",
            "SETTING=user:pass@host",
            "SETTING=user:pass@tcp(db:3306)/shop",
            "SETTING=user:pass@10.0.0.1:5432/shop",
            "SETTING=jdbc:oracle:thin:scott/tiger@//db:1521/shop",
            "SETTING=jdbc:postgresql://db/shop?user=u&password=p",
            "SETTING=jdbc:sqlserver://db:1433;user=sa;password=p;encrypt=true",
            "SETTING=Server=db;Database=shop;User Id=sa;Password=p;",
            "SETTING=Driver={PostgreSQL};Server=db;Uid=u;Pwd=p;",
            "SETTING=host=db user=u password=p dbname=shop",
            "SETTING=DefaultEndpointsProtocol=https;AccountName=a;AccountKey=YWJj;EndpointSuffix=core.windows.net",
            "SETTING=Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=YWJj",
            "SETTING=https://a.blob.core.windows.net/b?sv=2022-11-02&sp=r&sig=aBcDeF0123456789%3D",
            "SETTING=https://api.example.com/?access_token=abc",
        ],
    );
    check(
        None,
        &[
            "SETTING=https://example.com/a/b?c=d",
            "SETTING=https://example.com:8080/react@18.2.0",
            "SETTING=https://unpkg.com/react@18",
            "SETTING=https://medium.com/@me",
            "SETTING=http://[::1]:3000/@x",
            "SETTING=https://user@example.com",
            "SETTING=postgres://db/app",
            "SETTING=postgres://db:5432/app?email=a@b.example",
            "SETTING=postgres://app:${PASSWORD}@db/app",
            "SETTING=postgres://app:$PASSWORD@db/app",
            "SETTING=redis://cache:6379/0",
            "SETTING=git@github.com:acme/shop.git",
            "SETTING=mailto:me@example.com",
            "SETTING=npm:react@latest",
            "SETTING=nginx:1.27@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "SETTING=Shop <me@example.com>",
            "SETTING=https://fonts.googleapis.com/css2?family=Inter:wght@400;700&display=swap",
            "SETTING=https://example.com/authorize?response_type=token&token_type=bearer",
            "SETTING=Server=db;Database=shop;Trusted_Connection=True;Password=;",
        ],
    );
}

#[test]
fn marked_tokens() {
    let random = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3";
    let upper = "A1B2C3D4E5F6G7H8";
    for prefix in [
        "ghp_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "npm_",
        "sk_live_",
        "sk_test_",
        "xoxb-",
        "AIza",
        "SG.",
        "shpat_",
        "dckr_pat_",
        "sk-ant-",
        "sk-proj-",
        "sk-",
        "hf_",
        "whsec_",
    ] {
        let token = format!("{prefix}{random}");
        assert_eq!(secret_look("SETTING", &token), Some(SecretLook::Value), "{token}");
        assert!(secret_look("SETTING", &format!("https://{token}@github.com/o/r")).is_some(), "{token}");
        assert!(secret_look("PUBLIC_ID", &token).is_some(), "a name does not make a token public: {token}");
    }
    assert!(secret_look("AWS_ACCESS_KEY_ID", &format!("AKIA{upper}")).is_some());
    check(
        None,
        &[
            "SETTING=sk-learn-is-not-a-token-at-all",
            "SETTING=npm_config_registry",
            "SETTING=AKIA",
            "SETTING=SG.",
            "SETTING=key-value-store",
        ],
    );
}

#[test]
fn authorizations_webhooks_and_keys() {
    let jwt = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0In0", "c2lnbmF0dXJlLXNpZw"].join(".");
    let slack = ["https://hooks.slack.com", "services", "T000", "B000", "XXXXXXXXXXXX"].join("/");
    let discord = ["https://discord.com/api", "webhooks", "123456789", "abcdefghijkl"].join("/");
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----";
    // The Base64 of that key.
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(pem)
    };
    let account = r#"{"type":"service_account","private_key":"abc"}"#;
    for value in [
        "Bearer a1b2c3d4e5",
        "authorization=Bearer a1b2c3d4e5",
        "Authorization: Basic dXNlcjpwYXNz",
        "dXNlcjpwYXNzd29yZDE=",
        &jwt,
        &slack,
        &discord,
        pem,
        &pem.replace('\n', "\\n"),
        &base64,
        account,
        r#"[{"name":"db","password":"p4ss"}]"#,
        "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEYab1",
    ] {
        assert_eq!(secret_look("SETTING", value), Some(SecretLook::Value), "{value}");
    }
    check(
        None,
        &[
            "AUTH_SCHEME=Bearer",
            "SETTING=Bearer authentication",
            "SETTING=Basic realm",
            "SETTING=https://hooks.slack.com/services/",
            "SETTING=-----BEGIN CERTIFICATE-----\nMIIabc",
            r#"SETTING={"theme":"dark","token":""}"#,
            "SETTING=$2b$10$",
        ],
    );
}

#[test]
fn public_values_that_look_random() {
    check(
        None,
        &[
            "GIT_SHA=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "SOURCE_COMMIT=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "SENTRY_RELEASE=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "NOTION_DATABASE_ID=9f86d081884c7d659a2feaa0c55ad015",
            "VAPID_PUBLIC_KEY=BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U",
            "STRIPE_PUBLISHABLE_KEY=pk_live_51H8a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5",
            "NEXT_PUBLIC_TOKEN=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "COMMIT_HASH=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "CONTRACT_ADDRESS=0xdAC17F958D2ee523a2206206994597C13D831ec7",
            "RECAPTCHA_SITE_KEY=6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI",
            "SETTING=00000000-0000-0000-0000-000000000000",
            "SETTING=00000000000000000000000000000000",
            "SETTING=sha512-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15D6c15b0f00a08==",
            "SETTING=/usr/share/a/very/long/path/That/Has/Many/Parts/1",
            "SETTING=packages/shop2/src/components/Button/README",
            "SETTING=a-long-kebab-case-feature-flag-name-for-the-app",
            "SETTING=production",
            "SETTING=en-GB,de-DE",
        ],
    );
    // A name does not make these public.
    secret(&["DATABASE_ID=postgres://u:p@db", "GIT_SHA=-----BEGIN PRIVATE KEY-----", "PUBLIC_URL=https://u:p@host"]);
}
