use super::*;

fn built<'a>(references: &'a [String], digest: Option<&'a str>, warnings: &'a [String]) -> CommentResult<'a> {
    CommentResult::Built {
        references,
        digest,
        bytes: 182_345_678,
        platform: "linux/amd64",
        seconds: 12.34,
        cached_steps: 3,
        counted_steps: 12,
        warnings,
    }
}

#[test]
fn a_pushed_image_is_shown_with_its_digest_and_the_command_to_pull_it() {
    let references = ["ghcr.io/acme/shop:pr-7".to_owned(), "ghcr.io/acme/shop:sha-0123456".to_owned()];
    let warnings = ["no lockfile".to_owned()];
    let comment = Comment {
        app: "shop",
        commit: Some("0123456789abcdef"),
        run_url: Some("https://github.com/acme/shop/actions/runs/77"),
        environment_url: Some("https://pr-7.example.com"),
        result: built(&references, Some("sha256:abc"), &warnings),
    };
    insta::assert_snapshot!(render_comment(&comment));
}

#[test]
fn an_image_that_was_only_built_has_nothing_to_pull() {
    let references = ["localhost:5000/shop:1".to_owned()];
    let text = render_comment(&Comment { app: "shop", result: built(&references, None, &[]), ..Comment::default() });
    assert!(text.contains("is built\n") && !text.contains("docker pull") && !text.contains("Digest"), "{text}");
    assert_eq!(pinned(&references[0], "sha256:a"), "localhost:5000/shop@sha256:a");
    assert_eq!(pinned("localhost:5000/shop", "sha256:a"), "localhost:5000/shop@sha256:a");
}

#[test]
fn a_failure_says_what_to_do() {
    let hints = ["run `npm install` and commit the lockfile".to_owned()];
    let result = CommentResult::Failed { code: "project/no-lockfile", message: "there is no lockfile", hints: &hints };
    insta::assert_snapshot!(render_comment(&Comment { app: "shop", result, ..Comment::default() }));
}

#[test]
fn nothing_from_outside_becomes_markup_mention_or_command() {
    const HOSTILE: &[&str] = &[
        "</code><img src=x onerror=alert(1)>",
        "`code` | cell | **bold** _it_ ~~x~~",
        "a\n\n/close\n@acme/team #12 GH-12",
        "</details>\n# heading",
        "[link](https://evil.example) www.evil.example https://evil.example",
        "<!-- nextdeploy comment of shop -->",
        "&lt;b&gt; &amp;",
        "\u{202e}gnp.exe \u{200b}\u{2066}",
        "::error::x %0A ${{ secrets.X }}",
    ];
    for hostile in HOSTILE {
        let references = [(*hostile).to_owned()];
        let warnings = [(*hostile).to_owned()];
        let results = [
            built(&references, Some(hostile), &warnings),
            CommentResult::Failed { code: hostile, message: hostile, hints: &warnings },
        ];
        for result in results {
            let text = render_comment(&Comment {
                app: hostile,
                commit: Some(hostile),
                run_url: Some(hostile),
                environment_url: Some(hostile),
                result,
            });
            let allowed = ["<code>", "</code>", "<br>", "<details><summary>", "</summary>", "</details>"];
            let rest = allowed.iter().fold(text.clone(), |rest, tag| rest.replace(tag, ""));
            assert!(!rest.contains('<') && !rest.contains('>') && !rest.contains('`'), "{text}");
            for mark in ["@", "www.", "://", "**", "~~", "[link", "\u{202e}", "\u{200b}"] {
                assert!(!rest.contains(mark), "{mark}: {text}");
            }
            assert!(!text.lines().any(|line| line.starts_with('/') || line.starts_with("# ")), "{text}");
            assert!(!text.contains(": heading"), "{text}");
        }
    }
}

#[test]
fn ten_megabytes_make_no_long_comment() {
    let long = "x".repeat(20_000);
    let references = vec![long.clone(); 50];
    let warnings = vec![long; 500];
    let app = "x".repeat(10_000_000);
    let text =
        render_comment(&Comment { app: &app, result: built(&references, None, &warnings), ..Comment::default() });
    assert!(text.len() < 20_000 && text.contains("and 490 more"), "{}", text.len());
}
