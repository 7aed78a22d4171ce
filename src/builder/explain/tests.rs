use super::*;

fn explanation(error: &str, exit_code: Option<i64>, log: &str) -> Option<FailureExplanation> {
    let log: Vec<String> = log.lines().map(str::to_owned).collect();
    explain(&StepFailure { error, exit_code, log: &log })
}

#[test]
fn every_pattern_of_the_table_compiles_and_its_texts_use_what_it_captures() {
    for rule in rules::RULES {
        let pattern = Regex::new(rule.pattern).unwrap_or_else(|error| panic!("{}: {error}", rule.pattern));
        let groups = pattern.captures_len() - 1;
        for text in [rule.meaning, rule.action] {
            let highest =
                text.split('$').skip(1).filter_map(|part| part.chars().next()?.to_digit(10)).max().unwrap_or(0);
            assert!(highest as usize <= groups, "{text} wants more than {} captures", rule.pattern);
            assert_eq!(
                text.matches('$').count(),
                text.split('$').skip(1).filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count()
            );
        }
    }
}

#[test]
fn messages_of_our_scripts_are_the_explanation() {
    let log =
        "noise\nnextdeploy: error: `.next/standalone` is missing\nnextdeploy: hint: remove `output` from next.config\n";
    let found = explanation("exit code: 1", Some(1), log).unwrap();
    assert_eq!(found.meaning, "`.next/standalone` is missing");
    assert_eq!(found.action, "remove `output` from next.config");
}

#[test]
fn a_kill_without_a_word_is_explained_and_the_unknown_is_not() {
    assert_eq!(
        explanation("exit code: 137", Some(137), "Creating an optimized build").unwrap().code,
        "builder/out-of-memory"
    );
    assert_eq!(explanation("exit code: 1", Some(1), "something else entirely"), None);
}

/// Excerpts of logs that the tools wrote, what they mean, and a word of meaning and action.
const SAMPLES: &[(&str, &str, &str, &str)] = &[
    (
        "npm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync. Please update your lock file with `npm install` before continuing.\nnpm error\nnpm error Invalid: lock file's ms@2.1.2 does not satisfy ms@2.1.3\n",
        "builder/lockfile-outdated",
        "ms@2.1.2",
        "npm install",
    ),
    (
        "npm error code EUSAGE\nnpm error\nnpm error Missing: left-pad@1.3.0 from lock file\n",
        "builder/lockfile-outdated",
        "left-pad@1.3.0",
        "npm install",
    ),
    (
        "npm error code EUSAGE\nnpm error\nnpm error The `npm ci` command can only install with an existing package-lock.json or\nnpm error npm-shrinkwrap.json with lockfileVersion >= 1.",
        "builder/lockfile-outdated",
        "missing",
        "commit the lockfile",
    ),
    (
        "[1/4] Resolving packages...\nerror Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.",
        "builder/lockfile-outdated",
        "does not match",
        "yarn install",
    ),
    (
        "➤ YN0085: │ + ms@npm:2.1.3\n➤ YN0028: │ -    ms: \"npm:2.1.2\"\n➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly forbidden.",
        "builder/lockfile-outdated",
        "does not match",
        "yarn install",
    ),
    (
        " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\" because pnpm-lock.yaml is not up to date with <ROOT>/package.json",
        "builder/lockfile-outdated",
        "does not match",
        "pnpm install",
    ),
    (
        " ERR_PNPM_LOCKFILE_CONFIG_MISMATCH  Cannot proceed with the frozen installation. The current \"overrides\" configuration doesn't match the value found in the lockfile",
        "builder/lockfile-outdated",
        "other settings",
        "--no-frozen-lockfile",
    ),
    (
        "error: lockfile had changes, but lockfile is frozen",
        "builder/lockfile-outdated",
        "does not match",
        "bun install",
    ),
    (
        "npm error code E404\nnpm error 404 Not Found - GET https://registry.example/@nd%2fnot-there\nnpm error 404\nnpm error 404  '@nd/not-there@1.0.0' is not in this registry.",
        "builder/package-not-found",
        "@nd/not-there@1.0.0",
        "token",
    ),
    (
        "error Couldn't find package \"@nd/not-there\" on the \"npm\" registry.",
        "builder/package-not-found",
        "@nd/not-there",
        "token",
    ),
    (
        " ERR_PNPM_FETCH_404  GET https://registry.example/@nd%2Fnot-there: Not Found - 404",
        "builder/package-not-found",
        "@nd%2Fnot-there",
        "token",
    ),
    (
        "npm error code E401\nnpm error Unable to authenticate, your authentication token seems to be invalid.",
        "builder/package-denied",
        "refused",
        "--secret",
    ),
    (
        " ERR_PNPM_FETCH_403  GET https://npm.pkg.example/x: Forbidden - 403",
        "builder/package-denied",
        "refused",
        "--secret",
    ),
    (
        "npm error code EBADENGINE\nnpm error engine Unsupported engine\nnpm error notsup Required: {\"node\":\">=99\"}",
        "builder/engine-mismatch",
        "another version",
        "--node-version",
    ),
    (
        "error a@1.0.0: The engine \"node\" is incompatible with this module. Expected version \">=99\". Got \"22.23.3\"",
        "builder/engine-mismatch",
        "node >=99, and the build has 22.23.3",
        "--node-version",
    ),
    (
        " ERR_PNPM_UNSUPPORTED_ENGINE  Unsupported environment (bad pnpm and/or Node.js version)",
        "builder/engine-mismatch",
        "another version",
        "engines",
    ),
    (
        "You are using Node.js 18.20.8. For Next.js, Node.js version \">=20.9.0\" is required.",
        "builder/engine-mismatch",
        "18.20.8 is too old",
        "--node-version",
    ),
    (
        "error Error: self-signed certificate in certificate chain\n    at TLSSocket.onConnectSecure",
        "builder/tls-intercepted",
        "not trusted",
        "--ca-bundle",
    ),
    (
        "error: SELF_SIGNED_CERT_IN_CHAIN downloading package manifest ms",
        "builder/tls-intercepted",
        "not trusted",
        "--ca-bundle",
    ),
    (
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\nAborted",
        "builder/out-of-memory",
        "heap",
        "--max-old-space-size",
    ),
    ("Next.js build worker exited with code: null and signal: SIGKILL", "builder/out-of-memory", "killed", "memory"),
    (
        "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request to https://no-such.invalid/ms failed, reason: getaddrinfo ENOTFOUND no-such.invalid",
        "builder/network",
        "`no-such.invalid` cannot be resolved",
        "DNS",
    ),
    (
        "npm error code ECONNREFUSED\nnpm error FetchError: request to http://127.0.0.1:9/ms failed, reason: connect ECONNREFUSED 127.0.0.1:9",
        "builder/build-needs-server",
        "127.0.0.1:9",
        "--network",
    ),
    (
        "gyp info using node@22.23.3 | linux | x64\ngyp ERR! find Python \ngyp ERR! find Python Python is not set from environment variable PYTHON\ngyp ERR! not ok ",
        "builder/native-toolchain",
        "no Python",
        "--build-package",
    ),
    (
        "../src/image.h:1:10: fatal error: cairo.h: No such file or directory\ncompilation terminated.",
        "builder/native-toolchain",
        "lacks a library",
        "--build-package",
    ),
    ("/bin/sh: 1: apt-get: not found", "builder/no-system-packages", "neither `apt-get` nor `apk`", "Debian or Alpine"),
    (
        "Reading package lists...\nE: Unable to locate package ffmpegg",
        "builder/system-package-not-found",
        "`ffmpegg`",
        "--package",
    ),
    (
        "ERROR: unable to select packages:\n  libpq5 (no such package):\n    required by: world[libpq5]",
        "builder/system-package-not-found",
        "`libpq5`",
        "--package",
    ),
    (
        "npm error code 128\nnpm error git@github.com: Permission denied (publickey).",
        "builder/ssh",
        "no key",
        "ssh-key",
    ),
    (
        "npm error code E404\nnpm error 404 Not Found - GET https://host/no-such-x1\nnpm error 404\nnpm error 404  The requested resource 'no-such-x1@1.0.0' could not be found or you do not have permission to access it.",
        "builder/package-not-found",
        "`no-such-x1@1.0.0`",
        "token",
    ),
    (
        "➤ YN0035: │ no-such-x1@npm:1.0.0: Package not found\n➤ YN0035: │   Response Code: 404 (Not Found)",
        "builder/package-not-found",
        "`no-such-x1@npm:1.0.0`",
        "token",
    ),
    (
        "npm error code ETARGET\nnpm error notarget No matching version found for left-pad@99.0.0.",
        "builder/package-not-found",
        "`left-pad@99.0.0`",
        "version",
    ),
    (
        " ERR_PNPM_NO_MATCHING_VERSION  No matching version found for left-pad@99.0.0 while fetching it from https://host/",
        "builder/package-not-found",
        "`left-pad@99.0.0`",
        "version",
    ),
    (
        "error Couldn't find any versions for \"left-pad\" that matches \"99.0.0\"",
        "builder/package-not-found",
        "\"left-pad\" that matches \"99.0.0\"",
        "version",
    ),
    (
        "➤ YN0082: │ left-pad@npm:99.0.0: No candidates found",
        "builder/package-not-found",
        "`left-pad@npm:99.0.0`",
        "version",
    ),
    (
        "error: No version matching \"99.0.0\" found for specifier \"left-pad\" (but package exists)",
        "builder/package-not-found",
        "\"99.0.0\" found for specifier \"left-pad\"",
        "version",
    ),
    ("npm error Missing script: \"build\"", "builder/no-build-script", "`build`", "--build-command"),
    ("error Command \"build\" not found.", "builder/no-build-script", "`build`", "--build-command"),
    (" ERR_PNPM_NO_SCRIPT  Missing script: build", "builder/no-build-script", "`build`", "--build-command"),
    ("error: Script not found \"build\"", "builder/no-build-script", "`build`", "--build-command"),
    ("> next build\n\nsh: 1: next: not found", "builder/command-not-found", "`next`", "`next`"),
    (
        "Failed to compile.\n\n./app/page.tsx:1:7\nType error: Type 'string' is not assignable to type 'number'.\n\n\x1b[0m\x1b[31m\x1b[1m>\x1b[22m\x1b[39m\x1b[90m 1 |",
        "builder/type-error",
        "Type 'string' is not assignable",
        "tsc --noEmit",
    ),
    (
        "Failed to compile.\n\n./app/page.tsx\nModule not found: Can't resolve './nope'\n\nhttps://nextjs.org/docs/messages/module-not-found",
        "builder/module-not-found",
        "`./nope`",
        "lower case",
    ),
    (
        "getaddrinfo ENOTFOUND fonts.googleapis.com\n\nRetrying 1/3...\nFailed to compile.\n\napp/page.tsx\n`next/font` error:\nFailed to fetch `Inter` from Google Fonts.",
        "builder/fonts",
        "`Inter`",
        "next/font/local",
    ),
    (
        "There was an issue establishing a connection while requesting https://fonts.googleapis.com/css2?family=Inter:wght@100..900&display=swap.",
        "builder/fonts",
        "fonts.googleapis.com",
        "next/font/local",
    ),
    (
        "   Collecting page data ...\n[Error: Failed to collect configuration for /] {\n  [cause]: Error: API_KEY is not defined\n",
        "builder/missing-variable",
        "`API_KEY`",
        "--env API_KEY=",
    ),
    (
        "❌ Invalid environment variables: { DATABASE_URL: [ 'Required' ] }",
        "builder/missing-variable",
        "environment variables",
        "--env",
    ),
    (
        "error: Environment variable not found: DATABASE_URL.",
        "builder/missing-variable",
        "`DATABASE_URL`",
        "--env DATABASE_URL=",
    ),
    (
        "@prisma/client did not initialize yet. Please run \"prisma generate\"",
        "builder/prisma",
        "not generated",
        "prisma generate",
    ),
    (
        "12:5  Error: 'x' is assigned a value but never used.  @typescript-eslint/no-unused-vars",
        "builder/lint-error",
        "never used",
        "ignoreDuringBuilds",
    ),
    (
        "Error occurred prerendering page \"/about\". Read more: https://nextjs.org/docs/messages/prerender-error",
        "builder/prerender",
        "`/about`",
        "dynamic",
    ),
    (
        "npm error code ENOSPC\nnpm error nospc ENOSPC: no space left on device, write",
        "builder/disk-full",
        "disk",
        "docker system df",
    ),
];

#[test]
fn logs_of_the_tools_are_understood() {
    for (log, code, meaning, action) in SAMPLES {
        let found = explanation("exit code: 1", Some(1), log).unwrap_or_else(|| panic!("no explanation for {log}"));
        assert_eq!(found.code, *code, "{log}");
        assert!(found.meaning.contains(meaning) && found.action.contains(action), "{found:?}\nfor {log}");
    }
}

#[test]
fn harmless_remarks_before_the_real_error_do_not_hide_it() {
    let log = "warning: SENTRY_AUTH_TOKEN is not set\nnpm warn EBADENGINE Unsupported engine\nFailed to compile.\n\n./app/page.tsx:1:7\nType error: x";
    assert_eq!(explanation("exit code: 1", Some(1), log).unwrap().code, "builder/type-error");
}

#[test]
fn what_builders_say_themselves_is_understood() {
    for (error, code, word) in [
        ("failed to compute cache key: \"/nope.txt\" not found: not found", "builder/copy-not-found", "/nope.txt"),
        (
            "failed to compute cache key: failed to calculate checksum of ref a::b: \"/nope.txt\": not found",
            "builder/copy-not-found",
            "/nope.txt",
        ),
        (
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nope.txt: file does not exist",
            "builder/copy-not-found",
            "nope.txt",
        ),
        ("target stage zzz could not be found", "builder/target-not-found", "zzz"),
        ("target stage \"zzz\" could not be found", "builder/target-not-found", "zzz"),
        (
            "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: RUNN",
            "builder/dockerfile-syntax",
            "line 2",
        ),
        (
            "pulling from host 127.0.0.1:5141 failed with status code [manifests v1]: 401 Unauthorized",
            "builder/base-image-denied",
            "private",
        ),
        (
            "pull access denied for acme/private, repository does not exist or may require 'docker login'",
            "builder/base-image-denied",
            "acme/private",
        ),
        (
            "failed to do request: Head \"https://nowhere.invalid/v2/foo/manifests/1\": dial tcp: lookup nowhere.invalid on 1.1.1.1:53: no such host",
            "builder/network",
            "nowhere.invalid",
        ),
        ("write /var/lib/docker/x: no space left on device", "builder/disk-full", "disk"),
    ] {
        let found = explanation(error, None, "").unwrap_or_else(|| panic!("no explanation for {error}"));
        assert_eq!(found.code, code, "{error}");
        assert!(found.meaning.contains(word), "{found:?}\nfor {error}");
    }
}

#[test]
fn captured_text_cannot_forge_output() {
    let found =
        explanation("x", Some(1), &format!("Module not found: Can't resolve '\x07{}'", "a".repeat(500))).unwrap();
    assert!(found.meaning.contains("\\u{7}") && found.meaning.chars().count() < 220, "{}", found.meaning);
}

#[test]
fn certificates_that_were_given_are_not_proposed() {
    let mut explanation = explain(&StepFailure {
        error: "exit code: 1",
        exit_code: Some(1),
        log: &["error: UNABLE_TO_VERIFY_LEAF_SIGNATURE downloading package manifest ms".to_owned()],
    })
    .unwrap();
    assert!(explanation.action.starts_with("pass the authority's PEM file"), "{}", explanation.action);
    explanation.with_ca_bundle(Path::new("/etc/ca.pem"));
    assert!(explanation.action.starts_with("`/etc/ca.pem` (`--ca-bundle`) does not contain"), "{}", explanation.action);
}
