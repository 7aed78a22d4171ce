//! Variables, labels and sources of the plan.

use super::*;

#[test]
fn public_and_harmless_values_reach_build_and_image() {
    let mut sample = Sample::npm();
    sample.plain("NEXT_PUBLIC_API_KEY", "abc");
    sample.plain("API_URL", "https://example.com");
    let plan = sample.plan();
    for name in ["NEXT_PUBLIC_API_KEY", "API_URL"] {
        assert!(plan.build.environment.contains_key(name) && image_value(&plan, name).is_some(), "{name}");
    }
    assert!(plan.secrets.is_empty() && plan.warnings.is_empty());
}

#[test]
fn secrets_reach_the_build_as_secrets_and_never_the_image() {
    let mut sample = Sample::npm();
    sample.env("MARKED", EnvValue::Secret(Secret::new("hush-1".to_owned())), EnvScope::Auto);
    sample.plain("DATABASE_URL", "postgres://app:hush-2@db/app");
    sample.env("RUN_ONLY", EnvValue::Secret(Secret::new("hush-3".to_owned())), EnvScope::Container);
    let plan = sample.plan();
    assert_eq!(secret_ids(&plan), ["DATABASE_URL", "MARKED"]);
    assert_eq!(codes(&plan), ["plan/secret-looking-variable"]);
    let shown = serde_json::to_string(&plan).unwrap() + &format!("{plan:?}");
    assert!(!shown.contains("hush-"), "{shown}");
    sample.env("MARKED", EnvValue::Secret(Secret::new("hush-1".to_owned())), EnvScope::Image);
    assert_eq!(sample.try_plan().unwrap_err().code(), "plan/secret-in-image");
}

#[test]
fn scopes_limit_where_a_variable_is_visible() {
    let mut sample = Sample::npm();
    for (name, scope) in [("B", EnvScope::Build), ("I", EnvScope::Image), ("C", EnvScope::Container)] {
        sample.env(name, EnvValue::Plain("x".to_owned()), scope);
    }
    let plan = sample.plan();
    let seen = |name: &str| (plan.build.environment.contains_key(name), image_value(&plan, name).is_some());
    assert_eq!((seen("B"), seen("I"), seen("C")), ((true, false), (false, true), (false, false)));
}

#[test]
fn variables_of_the_launcher_are_ignored_with_a_warning() {
    let mut sample = Sample::npm();
    for (name, value) in [("NODE_ENV", "development"), ("HOSTNAME", "127.0.0.1"), ("PORT", "8080")] {
        sample.plain(name, value);
    }
    let plan = sample.plan();
    assert_eq!(codes(&plan), ["plan/variable-ignored", "plan/variable-ignored"]);
    assert_eq!(image_value(&plan, "NODE_ENV"), Some("production"));
    assert_eq!(image_value(&plan, "HOSTNAME"), Some("0.0.0.0"));
    assert_eq!((plan.runtime.port.value, image_value(&plan, "PORT")), (8080, Some("8080")));
}

#[test]
fn harmless_values_of_tracked_files_become_the_image_environment() {
    let mut sample = Sample::npm();
    sample.facts.env_files = vec![
        env_file(".env", true, &[("SITE", "dev"), ("API", "https://$HOST"), ("JWT_SECRET", "hush-hush")]),
        env_file(".env.production", true, &[("SITE", "prod")]),
    ];
    sample.plain("SITE_NAME", "x");
    let plan = sample.plan();
    assert_eq!(image_value(&plan, "SITE"), Some("prod"));
    assert_eq!(image_value(&plan, "API"), Some("https://$HOST"), "a dollar sign that was escaped is text");
    assert_eq!(image_value(&plan, "JWT_SECRET"), None);
    assert_eq!(codes(&plan), ["plan/secret-in-env-file"]);
    assert!(plan.warnings[0].message.contains("`JWT_SECRET`") && !plan.warnings[0].message.contains("hush"));

    sample.settings.env_files = Some(from_flag(EnvFilePolicy::Strip, "--env-files"));
    assert_eq!(image_value(&sample.plan(), "SITE"), None);
    sample.settings.env_files = Some(from_flag(EnvFilePolicy::Keep, "--env-files"));
    let kept = sample.plan();
    assert!(kept.output.keep_env_files);
    assert_eq!(codes(&kept), ["plan/env-file-kept"]);
}

#[test]
fn untracked_env_files_are_reported_and_not_read() {
    let mut sample = Sample::npm();
    sample.facts.env_files = vec![env_file(".env", false, &[("SITE", "dev")])];
    let plan = sample.plan();
    assert_eq!((codes(&plan), image_value(&plan, "SITE")), (vec!["plan/untracked-env-file"], None));
}

#[test]
fn variables_that_only_a_container_knows_stay_out_of_the_image() {
    let mut sample = Sample::npm();
    let mut file = env_file(
        ".env",
        true,
        &[("PATH", ":/opt/bin"), ("NODE_OPTIONS", "--inspect"), ("URL", "http://"), ("TOOLS", ":/x"), ("DSN", "u@db")],
    );
    for (at, unknown) in [(2, "LOST"), (3, "PATH"), (4, "DB_PASSWORD")] {
        file.variables[at].unknown = vec![unknown.to_owned()];
    }
    sample.facts.env_files = vec![file];
    sample.env("DB_PASSWORD", EnvValue::Secret(Secret::new("hush-hush-hush".to_owned())), EnvScope::Container);
    let plan = sample.plan();
    let process = "plan/process-variable-in-env-file";
    let reference = "plan/env-file-reference";
    assert_eq!(codes(&plan), [process, process, reference, reference, reference]);
    assert_eq!(image_value(&plan, "URL"), Some("http://"), "as Next.js has it");
    for name in ["PATH", "NODE_OPTIONS", "TOOLS", "DSN"] {
        assert_eq!(image_value(&plan, name), None, "{name}");
    }
}

#[test]
fn what_dockerignore_hides_is_neither_used_nor_silent() {
    let mut sample = Sample::npm();
    let manifest = r#"{ "scripts": { "build": "next build" } }"#;
    let with = |rules: &str| {
        let files = [
            ("package.json", manifest),
            ("app/page.tsx", ""),
            ("public/x", ""),
            (".env", ""),
            (".dockerignore", rules),
        ];
        crate::repo::SourceTree::from_texts(files)
    };
    sample.facts.env_files = vec![env_file(".env", true, &[("SITE", "dev")])];
    sample.tree = with(".env*\npublic\n");
    let plan = sample.plan();
    assert_eq!(codes(&plan), ["plan/sources-ignored", "plan/env-file-ignored"]);
    assert_eq!(image_value(&plan, "SITE"), None);
    sample.tree = with("*\n!app/**\n!package.json\n!.env\n!public/x");
    assert_eq!(codes(&sample.plan()), [""; 0]);
    sample.tree = with("*\n!dist\n");
    let error = sample.try_plan().unwrap_err();
    assert_eq!(error.code(), "plan/sources-ignored");
    assert_eq!(error.to_string(), "`.dockerignore` leaves out `package.json` and `app`, so the build has no app");
    sample.settings.dockerfile = Some(from_flag(crate::config::settings::DockerfileChoice::Own, "--dockerfile"));
    assert_eq!(image_value(&sample.plan(), "SITE"), Some("dev"), "the rules are those of the own Dockerfile");
}

#[test]
fn the_commit_is_the_one_that_is_checked_out() {
    let revision = |sample: &Sample| sample.plan().labels["org.opencontainers.image.revision"].clone();
    let mut sample = Sample::npm();
    let checked_out = sample.tree.git.as_ref().unwrap().commit.clone();
    sample.ci.commit = Some("of-the-event".to_owned());
    assert_eq!(Some(revision(&sample)), checked_out, "a checkout with `ref`, `pull_request_target`, `workflow_run`");
    sample.ci.trial_merge = checked_out;
    assert_eq!(revision(&sample), "of-the-event", "the head of a pull request");
    sample.tree.git = None;
    assert_eq!(revision(&sample), "of-the-event");
}

#[test]
fn labels_of_the_source_are_web_addresses() {
    let mut sample = Sample::npm();
    let source = |sample: &Sample| sample.plan().labels.get("org.opencontainers.image.source").cloned();
    assert_eq!(source(&sample).as_deref(), Some("https://example.com/acme/shop"));
    for (remote, expected) in
        [("/srv/shop.git", None), ("https://t:s@example.com/shop", Some("https://example.com/shop"))]
    {
        sample.tree.git.as_mut().unwrap().remote = Some(remote.to_owned());
        assert_eq!(source(&sample).as_deref(), expected, "{remote}");
    }
    sample.ci.branch = Some("main".to_owned());
    sample.settings.labels.insert("of".to_owned(), from_flag("{{branch}} {{base_ref}}".to_owned(), "--label"));
    assert_eq!(sample.plan().labels["of"], "main ");
}

#[test]
fn variables_that_the_project_names_are_listed() {
    let mut sample = Sample::npm();
    let wanted = |name: &str, file: &str, need| WantedVariable { name: name.to_owned(), named_by: path(file), need };
    sample.facts.wanted_variables = vec![
        wanted("DATABASE_URL", "env.ts", VariableNeed::CheckedByConfig),
        wanted("GIVEN", ".env.example", VariableNeed::Named),
        wanted("MAIL", ".env.example", VariableNeed::Named),
    ];
    sample.facts.config.file = Some(path("next.config.ts"));
    sample.plain("GIVEN", "x");
    let missing =
        |plan: &ImagePlan| plan.missing_variables.iter().map(|v| v.name.clone()).collect::<Vec<_>>().join(" ");
    let plan = sample.plan();
    assert_eq!((missing(&plan), codes(&plan)), ("DATABASE_URL MAIL".to_owned(), vec!["plan/missing-variables"]));
    let value = |value: &str| from_file(value.to_owned(), ".env.example");
    for (name, text) in [("DATABASE_URL", "postgres://u:p@db"), ("MAIL", "a@b"), ("GIVEN", "placeholder")] {
        sample.settings.build_env_values.insert(name.to_owned(), value(text));
    }
    let plan = sample.plan();
    assert_eq!((missing(&plan), codes(&plan)), (String::new(), vec![]));
    assert_eq!((secret_ids(&plan), plan.build.environment["GIVEN"].as_str()), (vec!["DATABASE_URL"], "x"));
    assert_eq!((image_value(&plan, "MAIL"), image_value(&plan, "DATABASE_URL")), (None, None));
}

#[test]
fn links_out_of_the_repository_are_named_where_they_are_used() {
    let mut sample = Sample::npm();
    let manifest = ("package.json", "{}");
    sample.tree = crate::repo::SourceTree::from_texts([manifest, ("app/page.tsx", ""), ("app/x.tsx", "")]);
    assert_eq!(codes(&sample.plan()), [""; 0]);
    for (name, expected) in [("app/x.tsx", vec!["plan/link-leaves-repository"]), ("package.json", vec![])] {
        let mut linked = sample.tree.clone();
        linked.set_link(name, "/srv/x");
        let other = Sample { tree: linked, ..Sample::npm() };
        assert_eq!(codes(&other.plan()), expected, "{name}");
    }
}

#[test]
fn public_variables_belong_to_the_build() {
    let mut sample = Sample::npm();
    sample.env("NEXT_PUBLIC_API", EnvValue::Plain("x".to_owned()), EnvScope::Image);
    sample.env("NEXT_PUBLIC_SITE", EnvValue::Plain("x".to_owned()), EnvScope::Auto);
    let plan = sample.plan();
    assert_eq!(codes(&plan), ["plan/public-variable-at-run-time"]);
    assert!(plan.warnings[0].message.contains("NEXT_PUBLIC_API"));
}
