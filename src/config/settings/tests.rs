use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::metadata::{ConfigFile, ConfigFiles, FileEntry, FileEnvValue, FileValue};
use crate::config::setting::{CliSettings, Setting, SettingKind};
use crate::diagnostic::{Diagnostic, ExitCode, Location};
use crate::host::Environment;
use crate::project::PackageManagerKind;
use crate::secret::Secret;
use crate::tags::TagEntry;

fn words(given: &[(Setting, &str)]) -> CliSettings {
    let mut words = CliSettings::default();
    for (setting, value) in given {
        words.push(*setting, *value);
    }
    words
}

fn file(name: &str, entries: &[(Setting, FileValue)]) -> ConfigFile {
    let entries = entries.iter().map(|(setting, value)| FileEntry {
        setting: *setting,
        value: value.clone(),
        field: setting.name().replace('-', "_"),
        location: Location::line(name, 3),
    });
    ConfigFile { name: name.to_owned(), entries: entries.collect(), output_mode: None }
}

fn check(given: &[(Setting, &str)], variables: &[(&str, &str)]) -> Result<Resolved, SettingsError> {
    resolve(&words(given), &Environment::from_pairs(variables.iter().copied()), &ConfigFiles::default())
}

fn settings(given: &[(Setting, &str)], variables: &[(&str, &str)]) -> Settings {
    check(given, variables).unwrap().settings
}

fn rendered(error: &SettingsError) -> String {
    let place = error.location().map(|place| format!(" at {place}")).unwrap_or_default();
    format!(
        "[{}] exit {}{place}\n{error}\nhint: {}\n",
        error.code(),
        error.exit_code() as u8,
        error.hints().join("\nhint: ")
    )
}

/// A pair of different good values per setting with one value.
const SAMPLES: &[(Setting, [&str; 5])] = &[
    (Setting::App, ["a", "b", "c", "d", "e"]),
    (Setting::Name, ["a", "b", "c", "d", "e"]),
    (Setting::NodeVersion, ["18", "20", "22", "24", "26"]),
    (Setting::BuildCommand, ["a", "b", "c", "d", "e"]),
    (Setting::StartCommand, ["a", "b", "c", "d", "e"]),
    (Setting::Port, ["1", "2", "3", "4", "5"]),
    (Setting::HealthPath, ["/a", "/b", "/c", "/d", "/e"]),
    (Setting::Base, ["a", "b", "c", "d", "e"]),
    (Setting::Package, ["a", "b", "c", "d", "e"]),
    (Setting::BuildPackage, ["a", "b", "c", "d", "e"]),
    (Setting::Platform, ["linux/a", "linux/b", "linux/c", "linux/d", "linux/e"]),
    (Setting::Target, ["a", "b", "c", "d", "e"]),
    (Setting::Network, ["a", "b", "c", "d", "e"]),
    (Setting::Memory, ["1g", "2g", "3g", "4g", "5g"]),
    (Setting::CaBundle, ["a", "b", "c", "d", "e"]),
    (Setting::BuildTimeout, ["1s", "2s", "3s", "4s", "5s"]),
    (Setting::Dockerfile, ["a", "b", "c", "d", "e"]),
    (Setting::Tag, ["a", "b", "c", "d", "e"]),
    (Setting::CacheFrom, ["a", "b", "c", "d", "e"]),
    (Setting::Label, ["k=a", "k=b", "k=c", "k=d", "k=e"]),
    (Setting::BuildArg, ["K=a", "K=b", "K=c", "K=d", "K=e"]),
    (Setting::Env, ["K=a", "K=b", "K=c", "K=d", "K=e"]),
    (Setting::BuildEnv, ["K=a", "K=b", "K=c", "K=d", "K=e"]),
    (Setting::RuntimeEnv, ["K=a", "K=b", "K=c", "K=d", "K=e"]),
];

#[test]
fn the_highest_source_of_each_setting_counts() {
    for (setting, values) in SAMPLES {
        let own = setting.variable();
        let inputs = setting.input_variables();
        let sources: Vec<(&str, &str)> = vec![(&own, values[1]), (&inputs[0], values[2])];
        let yml = file("nextdeploy.yml", &[(*setting, FileValue::Text(values[3].to_owned()))]);
        let json = file("metadata.json", &[(*setting, FileValue::Text(values[4].to_owned()))]);
        // One source is taken away after the other; what counts has to be the highest one left.
        let outcome = |typed: &[(Setting, &str)], variables: &[(&str, &str)], files: &[ConfigFile]| {
            let files = ConfigFiles { files: files.to_vec(), ..ConfigFiles::default() };
            resolve(&words(typed), &Environment::from_pairs(variables.iter().copied()), &files).unwrap().settings
        };
        let files = [yml, json];
        let seen = [
            outcome(&[(*setting, values[0])], &sources, &files),
            outcome(&[], &sources, &files),
            outcome(&[], &[(&own, " \n"), sources[1]], &files),
            outcome(&[], &[(&inputs[0], ""), (&inputs[1], "")], &files),
            outcome(&[], &[], &files[1..]),
        ];
        for (level, seen) in seen.iter().enumerate() {
            let alone = outcome(&[(*setting, values[level])], &[], &[]);
            let (seen, alone) = (without_origins(seen), without_origins(&alone));
            assert_eq!(seen, alone, "{} at level {level}", setting.flag());
        }
    }
}

fn without_origins(settings: &Settings) -> String {
    let text = format!("{settings:?}");
    let mut rest = text.as_str();
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("origin: ") {
        kept.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    kept + rest
}

#[test]
fn origins_name_flag_variable_and_field() {
    let seen = settings(&[(Setting::Port, "8080")], &[("INPUT_NODE-VERSION", "22"), ("NEXTDEPLOY_NAME", "shop")]);
    assert_eq!(seen.port.unwrap().to_string(), "8080 (from `--port`)");
    assert_eq!(seen.node_version.unwrap().to_string(), "22 (from `INPUT_NODE-VERSION`)");
    assert_eq!(seen.name.unwrap().to_string(), "shop (from `NEXTDEPLOY_NAME`)");
    let files = ConfigFiles {
        files: vec![file("nextdeploy.yml", &[(Setting::Port, FileValue::Text("1".into()))])],
        ..Default::default()
    };
    let seen = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().settings;
    assert_eq!(seen.port.unwrap().to_string(), "1 (from `nextdeploy.yml#port`)");
}

#[test]
fn variables_hold_one_value_per_line() {
    let seen =
        settings(&[], &[("INPUT_TAGS", "a:1\r\n\n  # comment\n  type=sha\n"), ("INPUT_BUILD-ARGS", "A=1\nB=x=y\n")]);
    let tags = seen.tags.iter().map(|tag| match &tag.value {
        TagEntry::ImageRef(reference) => reference.to_string(),
        TagEntry::Rule(rule) => rule.text().to_owned(),
    });
    assert_eq!(tags.collect::<Vec<_>>(), ["a:1", "type=sha"]);
    assert_eq!(seen.build_args["B"].value, "x=y");
}

#[test]
fn names_are_merged_over_the_sources() {
    let seen = settings(&[(Setting::Env, "A=typed")], &[("NEXTDEPLOY_ENV", "A=variable\nB=variable")]);
    let value = |name: &str| seen.env[name].value.value.clone();
    assert_eq!(value("A"), EnvValue::Plain("typed".into()));
    assert_eq!(value("B"), EnvValue::Plain("variable".into()));
}

#[test]
fn the_scope_follows_the_flag_and_a_higher_source_decides_it() {
    let seen = settings(&[(Setting::RuntimeEnv, "A=1")], &[("NEXTDEPLOY_BUILD_ENV", "A=2\nB=2")]);
    assert_eq!(seen.env["A"].value, EnvSetting { value: EnvValue::Plain("1".into()), scope: EnvScope::Image });
    assert_eq!(seen.env["B"].value.scope, EnvScope::Build);
    let error = check(&[(Setting::BuildEnv, "A=1"), (Setting::RuntimeEnv, "A=2")], &[]).unwrap_err();
    assert_eq!(error.code(), "settings/two-scopes");
}

#[test]
fn a_name_alone_takes_the_environments_value() {
    let resolved =
        check(&[(Setting::BuildArg, "A"), (Setting::BuildArg, "MISSING"), (Setting::Env, "A")], &[("A", "1")]).unwrap();
    assert_eq!(resolved.settings.build_args["A"].value, "1");
    assert!(!resolved.settings.build_args.contains_key("MISSING"));
    assert_eq!(
        resolved.warnings[0].message,
        "`--build-arg`: the environment variable `MISSING` is not set, and is left out"
    );
    assert_eq!(resolved.settings.env["A"].value.value, EnvValue::Plain("1".into()));
}

#[test]
fn values_marked_secret_in_a_file_stay_secret() {
    let pair =
        FileValue::Pair { name: "TOKEN".into(), value: FileEnvValue::Secret(Secret::new("hush".into())), scope: None };
    let files = ConfigFiles { files: vec![file("nextdeploy.yml", &[(Setting::Env, pair)])], ..Default::default() };
    let resolved = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap();
    assert_eq!(resolved.settings.env["TOKEN"].value.value, EnvValue::Secret(Secret::new("hush".into())));
    assert!(!format!("{resolved:?}").contains("hush"));
}

#[test]
fn a_file_of_the_repository_cannot_name_a_file_of_the_machine_as_secret() {
    let text = FileValue::Text("id=x,src=/etc/passwd".into());
    let files = ConfigFiles { files: vec![file("nextdeploy.yml", &[(Setting::Secret, text)])], ..Default::default() };
    let error = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap_err();
    assert_eq!((error.code(), error.location()), ("settings/secret", Some(Location::line("nextdeploy.yml", 3))));
    assert!(error.to_string().contains("is more than the name of a variable"), "{error}");
}

#[test]
fn secrets_in_all_their_forms() {
    let variables = [
        ("NPM_TOKEN", "n"),
        ("OTHER", "o"),
        ("NEXTDEPLOY_SECRETS", "SENTRY=s=1\nFORK=\nid=npm,src=never"),
        ("INPUT_SECRET-FILES", "key.pem=never\nca=/etc/a=b.pem"),
        ("EMPTY", ""),
    ];
    let typed = [
        (Setting::Secret, "NPM_TOKEN"),
        (Setting::Secret, "id=npm,src=/run/npmrc"),
        (Setting::Secret, "type=env,id=other,env=OTHER"),
        (Setting::Secret, "id=OTHER"),
        (Setting::SecretFile, "key.pem=./certs/key.pem"),
    ];
    let resolved = check(&typed, &variables).unwrap();
    let seen: Vec<(&str, String)> = resolved
        .settings
        .secrets
        .iter()
        .map(|secret| match &secret.value.value {
            SecretValue::File(path) => (secret.value.id.as_str(), path.display().to_string()),
            SecretValue::Value(value) => (secret.value.id.as_str(), value.expose().clone()),
        })
        .collect();
    let expected = [("NPM_TOKEN", "n"), ("npm", "/run/npmrc"), ("other", "o"), ("OTHER", "o"), ("SENTRY", "s=1")];
    let files = [("key.pem", "./certs/key.pem"), ("ca", "/etc/a=b.pem")];
    let expected: Vec<_> = expected.into_iter().chain(files).collect();
    assert_eq!(seen, expected.iter().map(|(id, value)| (*id, (*value).to_owned())).collect::<Vec<_>>());
    assert_eq!(resolved.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["settings/empty-secret"]);
    let twice = check(&[(Setting::Secret, "NPM_TOKEN"), (Setting::SecretFile, "NPM_TOKEN=a")], &variables).unwrap_err();
    assert!(twice.to_string().contains("`NPM_TOKEN` is given twice"), "{twice}");
}

#[test]
fn keys_are_read_from_variables_and_files() {
    let key = "0123456789abcdef";
    let of = |typed: &[(Setting, &str)], variables: &[(&str, &str)]| {
        settings(typed, variables).reproducible_key.unwrap().value
    };
    let value = SecretValue::Value(Secret::new(key.to_owned()));
    assert_eq!(of(&[(Setting::ReproducibleKey, "env:KEY")], &[("KEY", key)]), value);
    assert_eq!(of(&[], &[("INPUT_REPRODUCIBLE-KEY", key)]), value);
    assert_eq!(of(&[(Setting::ReproducibleKey, "file:k.txt")], &[]), SecretValue::File("k.txt".into()));
}

#[test]
fn commands_that_name_the_projects_own_scripts_are_ignored() {
    for own in ["npm start", "npm run start", "yarn start", "pnpm run start", "bun run start"] {
        assert_eq!(settings(&[(Setting::StartCommand, own)], &[]).start_command, None, "{own}");
    }
    for own in ["npm run build", "yarn build", "pnpm build", "bun run build"] {
        assert_eq!(settings(&[(Setting::BuildCommand, own)], &[]).build_command, None, "{own}");
    }
    let seen = settings(
        &[(Setting::StartCommand, "node 'my server.js' --a \"b\\\"c\" ''"), (Setting::BuildCommand, "bun build")],
        &[],
    );
    assert_eq!(seen.start_command.unwrap().value, ["node", "my server.js", "--a", "b\"c", ""]);
    assert_eq!(seen.build_command.unwrap().value, "bun build");
}

#[test]
fn units_and_switches() {
    let seen = check(
        &[(Setting::Memory, "2g"), (Setting::BuildTimeout, "1h30m"), (Setting::PackageManager, "pnpm")],
        &[
            ("NEXTDEPLOY_NO_CACHE", "true"),
            ("INPUT_PULL", "false"),
            ("INPUT_DRY-RUN", "1"),
            ("INPUT_PROGRESS", "plain"),
        ],
    )
    .unwrap();
    assert_eq!(seen.settings.memory.unwrap().value, 2 << 30);
    assert_eq!(seen.settings.build_timeout.unwrap().value, Duration::from_mins(90));
    assert_eq!(seen.settings.package_manager.unwrap().value, PackageManagerKind::Pnpm);
    assert_eq!((seen.settings.cache, seen.settings.pull), (CacheUse::Ignore, PullPolicy::Missing));
    assert_eq!((seen.run.dry_run, seen.run.progress), (true, Progress::Plain));
}

#[test]
fn misspelled_variables_are_warnings() {
    let warnings =
        check(&[], &[("NEXTDEPLOY_NODE_VERSON", "22"), ("NEXTDEPLOY_COLOUR_OF_THE_BOX", "red")]).unwrap().warnings;
    assert_eq!(warnings[1].hint.as_deref(), Some("did you mean `NEXTDEPLOY_NODE_VERSION`?"));
    assert_eq!(warnings[0].hint.as_deref(), Some("the names are listed in docs/settings.md"));
}

#[test]
fn folder_and_metadata_file_are_resolved_first() {
    let environment = Environment::from_pairs([("INPUT_WORKING-DIRECTORY", "web"), ("NEXTDEPLOY_METADATA", "m.json")]);
    let place = locate(&CliSettings::default(), &environment).unwrap();
    assert_eq!(place.directory.value.to_str(), Some("web"));
    assert_eq!(place.metadata.unwrap().value.to_str(), Some("m.json"));
    assert_eq!(locate(&CliSettings::default(), &Environment::default()).unwrap().directory.value.to_str(), Some("."));
}

#[test]
fn bad_values() {
    let long = "x".repeat(500);
    let cases: &[(Setting, &str)] = &[
        (Setting::Port, "0"),
        (Setting::Port, "70000"),
        (Setting::Port, "abc"),
        (Setting::Port, "+80"),
        (Setting::Port, ""),
        (Setting::PackageManager, "cargo"),
        (Setting::NodeVersion, "abc"),
        (Setting::NodeVersion, "0"),
        (Setting::NodeVersion, "9999"),
        (Setting::NodeVersion, ">=20"),
        (Setting::NodeVersion, "22\nRUN rm -rf /"),
        (Setting::NodeVersion, &long),
        (Setting::Label, "nextdeploy.app=other"),
        (Setting::Label, "nextdeploy.managed=true"),
        (Setting::Memory, "lots"),
        (Setting::Memory, "1k"),
        (Setting::Memory, "99999999999999999999g"),
        (Setting::BuildTimeout, "soon"),
        (Setting::BuildTimeout, "0s"),
        (Setting::Env, "1A=x"),
        (Setting::Env, "=x"),
        (Setting::Env, "A=x\0y"),
        (Setting::Label, "no-value"),
        (Setting::Label, "a b=c"),
        (Setting::Name, "!!!"),
        (Setting::App, "../other"),
        (Setting::App, "/etc"),
        (Setting::EnvFiles, "kep"),
        (Setting::NoCache, "maybe"),
        (Setting::HealthPath, "api/health"),
        (Setting::HealthPath, "//evil"),
        (Setting::Base, "node:22 AS x"),
        (Setting::Tag, "type=semvre,pattern={{version}}"),
        (Setting::Tag, "ghcr.io/Acme/Shop:1"),
        (Setting::Tag, "a/b\nc/d"),
        (Setting::Flavor, "latest=maybe"),
        (Setting::Image, "ghcr.io/acme/shop:1"),
        (Setting::Image, "https://ghcr.io/acme/shop"),
        (Setting::Image, "ghcr.io/acme shop"),
        (Setting::Image, "name=acme/shop,enabled=true"),
        (Setting::Platform, "linux"),
        (Setting::Dockerfile, "../Dockerfile"),
        (Setting::Target, "--x"),
        (Setting::Secret, "TOKEN=hush"),
        (Setting::Secret, "UNSET"),
        (Setting::Secret, "id=x,src=a,env=B"),
        (Setting::Secret, "id=../x,src=a"),
        (Setting::SecretFile, "npmrc"),
        (Setting::SecretFile, "../x=a"),
        (Setting::SecretFile, "x="),
        (Setting::Secret, "id=x,hush"),
        (Setting::ReproducibleKey, "hush-hush-hush-hush"),
        (Setting::ReproducibleKey, "env:UNSET"),
        (Setting::StartCommand, "npm run a && npm run b"),
        (Setting::StartCommand, "PORT=1 node x"),
        (Setting::StartCommand, "node $X"),
        (Setting::StartCommand, "node 'x"),
        (Setting::BuildCommand, "a\nb"),
        (Setting::Progress, "fancy"),
        (Setting::Builder, "kaniko"),
    ];
    let mut seen = String::new();
    for (setting, value) in cases {
        let error = check(&[(*setting, value)], &[]).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Usage);
        let text = rendered(&error);
        assert!(!text.contains("hush"), "{text}");
        assert!(text.lines().count() == 3, "{text}");
        seen.push_str(&text);
    }
    let files = ConfigFiles {
        files: vec![file("nextdeploy.yml", &[(Setting::Port, FileValue::Text("0".into()))])],
        ..Default::default()
    };
    let error = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap_err();
    seen.push_str(&rendered(&error));
    seen.push_str(&rendered(&check(&[], &[("INPUT_PORT", "eighty")]).unwrap_err()));
    seen.push_str(&rendered(&check(&[], &[("DOCKER_METADATA_SHORT_SHA_LENGTH", "many")]).unwrap_err()));
    insta::assert_snapshot!(seen);
}

#[test]
fn images_are_repositories_in_lower_case() {
    let lines = "# registries\nghcr.io/Acme/Shop\nname=localhost:5000/shop,enable=true\nname=acme/shop,enable=false\nghcr.io/acme/shop";
    let seen = check(&[], &[("INPUT_IMAGES", lines)]).unwrap();
    let images: Vec<_> = seen.settings.images.iter().map(|image| image.value.to_string()).collect();
    assert_eq!(images, ["ghcr.io/acme/shop", "localhost:5000/shop"]);
    let warnings: Vec<_> = seen.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["`INPUT_IMAGES`: the image is named `ghcr.io/acme/shop`, in lower case"]);
}

proptest! {
    #[test]
    fn no_value_of_any_setting_panics(value in any::<String>(), which in 0..Setting::ALL.len()) {
        let setting = Setting::ALL[which];
        if let Ok(resolved) = check(&[(setting, &value)], &[]) {
            // What passes has no NUL, and only free text may have several lines.
            let free = matches!(setting, Setting::Env | Setting::BuildEnv | Setting::RuntimeEnv | Setting::Label | Setting::BuildArg | Setting::StartCommand);
            let unread = matches!(setting, Setting::Directory | Setting::Metadata);
            prop_assert!(unread || free || !value.trim().contains('\n'), "{:?}", resolved);
            prop_assert!(unread || !value.contains('\0'));
        }
        let _ = check(&[], &[(&setting.variable(), &value)]);
    }

    #[test]
    fn split_words_are_the_quoted_words(words in proptest::collection::vec("[^']{0,12}", 1..5)) {
        let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        match parse::words(&line) {
            Ok(split) => prop_assert_eq!(split, words),
            Err(invalid) => prop_assert!(matches!(invalid, InvalidValue::ShellSyntax(_)), "{:?}", invalid),
        }
    }
}

#[test]
fn every_list_setting_takes_a_line_each() {
    for setting in Setting::ALL.iter().filter(|s| s.kind() == SettingKind::List) {
        let resolved = check(&[], &[(&setting.variable(), "a=1\nb=2\n")]);
        let both = match setting {
            // Neither references nor patterns hold `=`, and these are no names of a flavor.
            Setting::Image | Setting::Tag | Setting::Flavor | Setting::CacheFrom | Setting::EcrMutabilityExclusion => {
                resolved.is_err()
            }
            Setting::Secret | Setting::SecretFile => resolved.unwrap().settings.secrets.len() == 2,
            Setting::Label => resolved.unwrap().settings.labels.len() == 2,
            Setting::BuildEnvFile => resolved.unwrap().settings.build_env_files.len() == 2,
            Setting::BuildArg => resolved.unwrap().settings.build_args.len() == 2,
            Setting::Package => resolved.unwrap().settings.packages.len() == 2,
            Setting::BuildPackage => resolved.unwrap().settings.build_packages.len() == 2,
            Setting::EcrResourceTag => resolved.unwrap().publish.ecr.resource_tags.len() == 2,
            _ => resolved.unwrap().settings.env.len() == 2,
        };
        assert!(both, "{}", setting.flag());
    }
}

#[test]
fn packages_are_names_of_packages() {
    for good in ["ffmpeg", "g++", "libpq-dev", "python3.11", "chromium=120.0.1-1~deb12u1", "openssl=1:3.0", "7zip"] {
        assert_eq!(check(&[(Setting::Package, good)], &[]).unwrap().settings.packages[0].value, good);
    }
    for bad in ["a b", "a;id", "$(id)", "--force", "make-", "a=", "=1", "a\nb", "a&&b", "../x", "a'b", "a=1-"] {
        assert_eq!(check(&[(Setting::BuildPackage, bad)], &[]).unwrap_err().code(), "settings/package", "{bad}");
    }
}

#[test]
fn environment_names_and_urls_are_checked() {
    let resolve = |name: &str, value: &str| {
        let environment = Environment::from_pairs([(name, value)]);
        resolve(&CliSettings::default(), &environment, &ConfigFiles::default()).map(|resolved| resolved.forge)
    };
    let forge = resolve("NEXTDEPLOY_ENVIRONMENT_URL", "https://pr-7.example.com/?a=1").unwrap();
    assert_eq!(forge.environment_url.unwrap().value, "https://pr-7.example.com/?a=1");
    for url in
        ["pr-7.example.com", "javascript:alert(1)", "https://", "https://u:p@h/", "https://h/\"><b>", "https://h/ x"]
    {
        let error = resolve("NEXTDEPLOY_ENVIRONMENT_URL", url).unwrap_err();
        assert_eq!(error.code(), "settings/web-address", "{url}");
    }
    assert_eq!(resolve("INPUT_DEPLOYMENT", "preview/7").unwrap().deployment.unwrap().value, "preview/7");
    assert_eq!(resolve("INPUT_DEPLOYMENT", &"x".repeat(256)).unwrap_err().code(), "settings/environment");
    assert!(resolve("INPUT_COMMENT", "true").unwrap().comment && !resolve("INPUT_COMMENT", "false").unwrap().comment);
}

#[test]
fn names_with_commas_between_them_are_several() {
    let settings = |name: &str, value: &str| check(&[], &[(name, value)]).map(|resolved| resolved.settings);
    let images = |value| {
        let images = settings("NEXTDEPLOY_IMAGES", value).unwrap().images;
        images.iter().map(|image| image.value.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(images("acme/foo,acme/bar\n# x\nghcr.io/acme/foo"), "acme/foo acme/bar ghcr.io/acme/foo");
    assert_eq!(images("name=acme/foo,enable=false\ndocker.io/acme/bar\nacme/bar"), "docker.io/acme/bar");
    let tags = |value| settings("NEXTDEPLOY_TAGS", value).unwrap().tags.len();
    assert_eq!((tags("acme/shop:1.0, acme/shop:latest"), tags("v1,v2"), tags("type=raw,value=x")), (2, 2, 1));
    for (name, value, code) in [
        ("NEXTDEPLOY_PLATFORM", "linux/amd64,linux/arm64", "settings/several-platforms"),
        ("NEXTDEPLOY_IMAGES", "acme/foo,acme/bar:1", "settings/image-with-tag"),
        ("NEXTDEPLOY_LABELS", "a={{nothing}}", "tags/unknown-expression"),
    ] {
        assert_eq!(settings(name, value).unwrap_err().code(), code, "{value}");
    }
    let labels = settings("NEXTDEPLOY_LABELS", "a.b={{branch}}\n# a comment\nc.d=2").unwrap().labels;
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["a.b", "c.d"]);
}
