use std::time::Duration;

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;
use crate::builder::{BuildError, BuildEvent, FailureExplanation, LocatedError, StepId, StepOutcome};
use crate::config::settings::{EnvScope, EnvValue, SecretSource, SecretValue};
use crate::diagnostic::{Location, Warning};
use crate::image::plan::ImagePlan;
use crate::image::plan::sample::{Sample, from_flag};
use crate::image::{AppRoutes, BuiltImage, ImageLayer, PushedReference};
use crate::image_ref::ImageRef;
use crate::pipeline::BuildRecord;
use crate::project::{DotenvFile, ProjectFacts};
use crate::secret::Secret;

/// A run with all parts; tests change what they are about.
struct SampleRun {
    facts: ProjectFacts,
    plan: ImagePlan,
    dockerfile: String,
    warnings: Vec<Warning>,
    record: BuildRecord,
    image: BuiltImage,
    previous: BuiltImage,
    routes: AppRoutes,
    pushed: Vec<PushedReference>,
}

fn record(steps: &[(&str, StepOutcome, u64, u64)]) -> BuildRecord {
    let mut record = BuildRecord { total: Duration::from_secs(67), ..BuildRecord::default() };
    for (name, outcome, start, took) in steps {
        let (id, took) = (StepId((*name).to_owned()), Duration::from_secs(*took));
        let internal = !name.starts_with('[');
        record.observe(
            &BuildEvent::StepStarted { id: id.clone(), name: (*name).to_owned(), internal },
            Duration::from_secs(*start),
        );
        record.observe(&BuildEvent::StepFinished { id, outcome: outcome.clone(), duration: took }, Duration::ZERO);
    }
    record
}

fn layer(diff_id: &str, created_by: &str, size: u64) -> ImageLayer {
    ImageLayer { diff_id: format!("sha256:{diff_id}"), size, created_by: created_by.to_owned() }
}

impl SampleRun {
    fn new() -> Self {
        let mut sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5");
        let shop = crate::image_ref::ImageRef::parse("ghcr.io/acme/shop").unwrap();
        sample.settings.images = vec![from_flag(shop, "--image")];
        sample.plain("NEXT_PUBLIC_API", "https://api.example.com");
        sample.plain("MOTTO", "hush-hush value");
        let key = SecretValue::Value(Secret::new("very-secret-1234".to_owned()));
        sample.settings.secrets = vec![from_flag(SecretSource { id: "NPM_TOKEN".to_owned(), value: key }, "--secret")];
        sample.env("DATABASE_URL", EnvValue::Secret(Secret::new("postgres://x".to_owned())), EnvScope::Build);
        sample.facts.env_files = vec![DotenvFile {
            path: crate::rel_path::RelPath::new(".env").unwrap(),
            tracked: true,
            variables: vec![crate::project::DotenvVariable {
                name: "NEXT_PUBLIC_TITLE".to_owned(),
                value: "Shop".to_owned(),
                unknown: Vec::new(),
            }],
            read_by_start: false,
        }];
        let plan = sample.plan();
        let id = |text: &str| format!("sha256:{}", text.repeat(32));
        let image = BuiltImage {
            id: id("1f"),
            tags: ["1.2.3", "1.2", "latest"]
                .map(|tag| ImageRef::parse(&format!("ghcr.io/acme/shop:{tag}")).unwrap())
                .to_vec(),
            platform: "linux/amd64".to_owned(),
            size: 264_921_511,
            layers: vec![
                layer("0", "", 217_931_972),
                layer("1", "COPY launcher/ /", 17_320),
                layer("2", "COPY /out/node_modules/ /", 45_557_290),
                layer("3", "COPY /out/server/ /", 781_074),
                layer("4", "COPY /out/static/ /", 631_630),
                layer("5", "COPY /out/keys/ /", 2_225),
                layer("6", "WORKDIR /app", 0),
            ],
        };
        let previous = BuiltImage { size: 268_021_511, layers: image.layers[..3].to_vec(), ..image.clone() };
        Self {
            facts: sample.facts,
            plan,
            dockerfile: "FROM node:22-slim AS deps\nRUN npm ci\n".to_owned(),
            warnings: vec![
                Warning::new("plan/odd", "`output` cannot be read from `next.config.ts`")
                    .with_hint("write it as a plain string")
                    .at(Location::column("next.config.ts", 12, 3)),
            ],
            record: record(&[
                ("[internal] load build definition", StepOutcome::Done, 0, 0),
                ("[deps 1/4] FROM docker.io/library/node:22-slim", StepOutcome::Cached, 0, 0),
                ("[deps 4/4] RUN : 'install dependencies' && pnpm install", StepOutcome::Done, 1, 22),
                ("[build 1/3] COPY app/ ./", StepOutcome::Done, 23, 1),
                ("[build 3/3] RUN : 'build the app' && pnpm run build", StepOutcome::Done, 24, 40),
                ("[runtime 2/7] COPY launcher/ /", StepOutcome::Cached, 24, 0),
                ("exporting to image", StepOutcome::Done, 65, 2),
            ]),
            image,
            previous,
            routes: AppRoutes {
                prerendered: ["/", "/about", "/imprint"].map(str::to_owned).to_vec(),
                isr: vec!["/blog/[slug]".to_owned()],
                dynamic: vec!["/product/[id]".to_owned(), "/search".to_owned()],
                api: vec!["/api/cart".to_owned()],
                middleware: Some("edge".to_owned()),
            },
            pushed: ["1.2.3", "1.2", "latest"]
                .map(|tag| PushedReference {
                    reference: ImageRef::parse(&format!("ghcr.io/acme/shop:{tag}")).unwrap(),
                    digest: id("d1"),
                    manifest_size: 1_900,
                    unchanged: false,
                })
                .to_vec(),
        }
    }

    fn summary<'a>(&'a self, ending: Ending<'a>) -> Summary<'a> {
        Summary {
            facts: Some(&self.facts),
            plan: Some(&self.plan),
            dockerfile: Some(&self.dockerfile),
            warnings: &self.warnings,
            record: Some(&self.record),
            image: Some(&self.image),
            previous: Some(&self.previous),
            routes: Some(&self.routes),
            pushed: &self.pushed,
            failed_step: None,
            ending,
        }
    }
}

fn failure() -> BuildError {
    let mut explanation = FailureExplanation::new(
        "builder/type-error",
        "TypeScript found an error",
        "run `next build` and correct what it names",
    );
    explanation.findings =
        vec![LocatedError { location: Location::column("app/page.tsx", 3, 7), message: String::new() }];
    BuildError::StepFailed {
        step: "[build 3/3] build the app".to_owned(),
        exit_code: Some(1),
        tail: vec!["> next build".to_owned(), "./app/page.tsx:3:7".to_owned(), "Type error: `</details>`".to_owned()],
        explanation: Some(Box::new(explanation)),
    }
}

#[test]
fn summary_of_a_pushed_image() {
    let run = SampleRun::new();
    let page = render_summary(&run.summary(Ending::Done), SUMMARY_LIMIT);
    assert!(!page.contains("very-secret") && !page.contains("postgres:"), "{page}");
    insta::assert_snapshot!(page);
}

#[test]
fn summary_of_a_failed_build() {
    let run = SampleRun::new();
    let error = failure();
    let BuildError::StepFailed { step, tail, .. } = &error else { unreachable!() };
    let summary = Summary {
        image: None,
        previous: None,
        routes: None,
        pushed: &[],
        failed_step: Some(FailedStep { name: step, log: tail }),
        ..run.summary(Ending::Failed(&error))
    };
    let page = render_summary(&summary, SUMMARY_LIMIT);
    insta::assert_snapshot!(page.split("### ⚠️").next().unwrap());
}

#[test]
fn unknown_parts_are_omitted() {
    let error = BuildError::Refused { message: "no space left".to_owned(), explanation: None };
    let page = render_summary(&Summary::new(Ending::Failed(&error)), SUMMARY_LIMIT);
    insta::assert_snapshot!(page);
}

#[test]
fn the_least_useful_parts_are_omitted_first() {
    let mut run = SampleRun::new();
    run.dockerfile = "RUN true\n".repeat(1_000_000);
    let whole = render_summary(&run.summary(Ending::Done), SUMMARY_LIMIT);
    assert!(whole.len() < SUMMARY_LIMIT, "{}", whole.len());
    assert!(whole.contains("more bytes") && whole.contains("<summary>Plan</summary>"));
    let small = render_summary(&run.summary(Ending::Done), 6_000);
    assert!(small.len() <= 6_000 && small.contains("Omitted") && small.contains("### Layers"), "{small}");
    assert!(!small.contains("<summary>Plan</summary>"));
    assert_eq!(render_summary(&run.summary(Ending::Done), 100), "");
}

#[test]
fn long_texts_are_truncated() {
    let mut run = SampleRun::new();
    let long = "<b>|`".repeat(2_000_000);
    run.warnings =
        (0..200).map(|_| Warning::new("plan/odd", "<b>|`".repeat(1_000)).with_hint("`".repeat(5_000))).collect();
    run.warnings[0].message.clone_from(&long);
    run.routes.api = vec!["/[<b>]".repeat(100); 1_000];
    run.routes.api[0].clone_from(&long);
    let error = BuildError::Refused { message: long, explanation: None };
    let page = render_summary(&run.summary(Ending::Failed(&error)), SUMMARY_LIMIT);
    assert!(page.len() <= SUMMARY_LIMIT, "{}", page.len());
    assert!(page.contains("not pushed"), "{}", &page[..500]);
}

/// The structure of a page without its words.
fn shape(page: &str) -> Vec<String> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_GFM;
    Parser::new_ext(page, options)
        .filter_map(|event| match event {
            Event::Text(_) | Event::Code(_) => None,
            Event::Html(html) | Event::InlineHtml(html) => {
                let tags: Vec<&str> = html
                    .split('<')
                    .skip(1)
                    .filter_map(|tag| tag.split('>').next())
                    // Literals in backticks become code.
                    .filter(|tag| !matches!(*tag, "code" | "/code"))
                    .collect();
                Some(tags.join(" "))
            }
            Event::Start(Tag::CodeBlock(_)) => Some("block".to_owned()),
            Event::End(TagEnd::CodeBlock) => Some("end of block".to_owned()),
            other => Some(format!("{other:?}")),
        })
        .filter(|event| !event.is_empty())
        .collect()
}

/// The page of a run in which every text from outside is `word`.
fn page_with(word: &str) -> String {
    let mut run = SampleRun::new();
    run.plan.name.value = word.to_owned();
    run.facts.next.value.text = word.to_owned();
    run.facts.name.value = word.to_owned();
    run.warnings = vec![Warning::new("plan/odd", word).with_hint(word).at(Location::line(word, 1))];
    run.routes = AppRoutes {
        prerendered: vec![word.to_owned()],
        api: vec![word.to_owned()],
        middleware: Some(word.to_owned()),
        ..AppRoutes::default()
    };
    run.record = record(&[
        ("[deps 1/1] RUN npm ci", StepOutcome::Done, 0, 9),
        (&format!("[build 1/1] RUN x{word}"), StepOutcome::Done, 9, 9),
    ]);
    run.image.tags = vec![ImageRef { domain: None, path: word.to_owned(), tag: None, digest: None }];
    run.image.platform = word.to_owned();
    run.image.layers.push(layer("7", &format!("RUN x{word}"), 5));
    run.plan.runtime.environment.insert(word.to_owned(), from_flag(word.to_owned(), "--env"));
    run.plan.secrets[0].id = word.to_owned();
    run.pushed.clear();
    let error = BuildError::StepFailed { step: word.to_owned(), exit_code: None, tail: vec![], explanation: None };
    let log = [format!("x{word}")];
    let failed_step = Some(FailedStep { name: word, log: &log });
    render_summary(&Summary { failed_step, ..run.summary(Ending::Failed(&error)) }, SUMMARY_LIMIT)
}

#[test]
fn the_shape_detects_injected_markup() {
    assert_ne!(shape("a <b>x</b>"), shape("a x"));
    assert_ne!(shape("a\n# x"), shape("a x"));
    assert!(shape(&page_with("main")).iter().filter(|event| event.contains("Heading")).count() > 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn outside_text_never_changes_the_shape_of_the_page(
        parts in prop::collection::vec(prop::sample::select(&[
            "\n", "\r\n", "# h", "|", "`", "```", "</details>", "</code>", "<img src=x onerror=y>", "](https://x.example)", "[a",
            "https://x.example", "www.x.example", "@acme", "**", "_", "- ", "1. ", "---", "&lt;", "\\", "\u{202e}", "~~~", "![", "::error::",
            "<!--", "a", " ",
        ][..]), 1..10)
    ) {
        let word = format!("m{}", parts.concat());
        prop_assert_eq!(shape(&page_with(&word)), shape(&page_with("main")), "{}", page_with(&word));
    }
}
