//! The outputs of a run for later steps of a job, under the names of the action's outputs.

use crate::format::joined;
use crate::image::plan::ImagePlan;
use crate::image::{BuiltImage, PushedReference};
use crate::image_ref::ImageRef;
use crate::project::ProjectFacts;
use crate::secret::redact;

/// Names and values in a fixed order; every name is always present, with an empty value if unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs(Vec<(&'static str, String)>);

/// The source of the outputs; a run that ended early knows less.
#[derive(Clone, Copy)]
pub struct OutputSource<'a> {
    pub facts: Option<&'a ProjectFacts>,
    pub plan: Option<&'a ImagePlan>,
    pub dockerfile: &'a str,
    pub image: ImageState<'a>,
    pub pushed: &'a [PushedReference],
    /// Every reference that was to be pushed is in its registry.
    pub all_pushed: bool,
    /// The result as JSON on one line.
    pub metadata: &'a str,
    pub summary_file: Option<&'a str>,
}

/// What became of the image.
#[derive(Clone, Copy)]
pub enum ImageState<'a> {
    /// A dry run: with the tags that the image would get.
    Planned,
    Built(&'a BuiltImage),
    /// The run ended before there was one: later steps must not take its tags for an image.
    Missing,
}

/// Longer values are not passed as variables.
const LONGEST_VARIABLE: usize = 8 * 1024;
/// GitHub limits the outputs of a job to 1 MB in UTF-16; other steps need some of it.
const LIMIT: usize = 700_000;
/// Dropped in this order: values that are available elsewhere.
const DISPENSABLE: [&str; 3] = ["dockerfile", "metadata", "tags"];

impl Outputs {
    pub fn of(source: &OutputSource<'_>) -> Self {
        let (built, tags) = match source.image {
            ImageState::Built(image) => (Some(image), image.tags.clone()),
            ImageState::Planned => (None, source.plan.map(planned_tags).unwrap_or_default()),
            ImageState::Missing => (None, Vec::new()),
        };
        let first = source.pushed.first();
        let reference = first.map(|pushed| &pushed.reference).or_else(|| tags.first());
        let name = reference.map(ToString::to_string).unwrap_or_default();
        let image = first.map_or(name, PushedReference::pinned);
        let manager = source.facts.map(|facts| facts.package_manager.value.to_string().replacen(' ', "@", 1));
        let node = source.plan.map(|plan| &plan.node).or_else(|| source.facts.map(|facts| &facts.node));
        let node = node.map(|node| node.value.version());
        let mut outputs = Self(vec![
            ("image", image),
            ("repository", reference.map(ImageRef::repository).unwrap_or_default()),
            ("tag", reference.and_then(|reference| reference.tag.clone()).unwrap_or_default()),
            ("tags", joined(&tags, "\n")),
            ("digest", first.map(|pushed| pushed.digest.clone()).unwrap_or_default()),
            ("image-id", built.map(|image| image.id.clone()).unwrap_or_default()),
            ("size", built.map(|image| image.size.to_string()).unwrap_or_default()),
            ("metadata", source.metadata.to_owned()),
            ("dockerfile", redact(source.dockerfile).into_owned()),
            ("node-version", node.unwrap_or_default()),
            ("next-version", source.facts.map(|facts| facts.next.value.text.clone()).unwrap_or_default()),
            ("package-manager", manager.unwrap_or_default()),
            ("pushed", source.all_pushed.to_string()),
            ("summary-file", source.summary_file.unwrap_or_default().to_owned()),
        ]);
        outputs.fit();
        outputs
    }

    /// The names, for documentation and tests.
    pub fn names() -> [&'static str; 14] {
        [
            "image",
            "repository",
            "tag",
            "tags",
            "digest",
            "image-id",
            "size",
            "metadata",
            "dockerfile",
            "node-version",
            "next-version",
            "package-manager",
            "pushed",
            "summary-file",
        ]
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// For systems that pass on variables: `NEXTDEPLOY_OUTPUT_IMAGE_ID`. Lists are joined by commas, documents are omitted.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.iter()
            .filter(|(name, value)| !matches!(*name, "metadata" | "dockerfile") && value.len() <= LONGEST_VARIABLE)
            .map(|(name, value)| {
                let name = format!("NEXTDEPLOY_OUTPUT_{}", name.to_ascii_uppercase().replace('-', "_"));
                (name, value.replace('\n', ","))
            })
    }

    /// Empties the least needed values until the limit holds.
    fn fit(&mut self) {
        for dispensable in DISPENSABLE {
            let size: usize = self.0.iter().map(|(name, value)| (name.len() + utf16(value)) * 2 + 200).sum();
            if size <= LIMIT {
                return;
            }
            for (name, value) in &mut self.0 {
                if *name == dispensable {
                    value.clear();
                }
            }
        }
    }
}

fn planned_tags(plan: &ImagePlan) -> Vec<ImageRef> {
    plan.tags.iter().map(|tag| tag.value.clone()).collect()
}

fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::plan::sample::Sample;

    fn source<'a>(sample: &'a Sample, plan: &'a ImagePlan, dockerfile: &'a str) -> OutputSource<'a> {
        OutputSource {
            facts: Some(&sample.facts),
            plan: Some(plan),
            dockerfile,
            image: ImageState::Planned,
            pushed: &[],
            all_pushed: false,
            metadata: "{}",
            summary_file: None,
        }
    }

    #[test]
    fn every_output_is_present_and_lists_become_variables() {
        let sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5");
        let plan = sample.plan();
        let pushed = [PushedReference {
            reference: ImageRef::parse("ghcr.io:443/acme/shop:1.2").unwrap(),
            digest: "sha256:0d".into(),
            manifest_size: 1,
            unchanged: false,
        }];
        let image = BuiltImage {
            id: "sha256:id".into(),
            tags: ["ghcr.io:443/acme/shop:1.2", "ghcr.io:443/acme/shop:1"]
                .map(|tag| ImageRef::parse(tag).unwrap())
                .to_vec(),
            platform: "linux/amd64".into(),
            size: 7,
            layers: Vec::new(),
        };
        let source = OutputSource {
            image: ImageState::Built(&image),
            pushed: &pushed,
            all_pushed: true,
            ..source(&sample, &plan, "FROM a\nRUN b\n")
        };
        let outputs = Outputs::of(&source);
        assert_eq!(outputs.iter().map(|(name, _)| name).collect::<Vec<_>>(), Outputs::names());
        for (name, value) in [
            ("image", "ghcr.io:443/acme/shop:1.2@sha256:0d"),
            ("repository", "ghcr.io:443/acme/shop"),
            ("tag", "1.2"),
            ("digest", "sha256:0d"),
            ("size", "7"),
            ("package-manager", "pnpm@10.12.4"),
            ("pushed", "true"),
            ("summary-file", ""),
        ] {
            assert_eq!(outputs.get(name), Some(value), "{name}");
        }
        let variables: Vec<_> = outputs.variables().collect();
        let tags = "ghcr.io:443/acme/shop:1.2,ghcr.io:443/acme/shop:1".to_owned();
        assert!(variables.contains(&("NEXTDEPLOY_OUTPUT_TAGS".to_owned(), tags)), "{variables:?}");
        assert!(!variables.iter().any(|(name, _)| name.contains("DOCKERFILE")));
    }

    #[test]
    fn without_an_image_no_output_names_one() {
        let sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5");
        let plan = sample.plan();
        let failed = OutputSource { image: ImageState::Missing, metadata: "", ..source(&sample, &plan, "FROM a\n") };
        let outputs = Outputs::of(&failed);
        let known: Vec<_> = outputs.iter().filter(|(_, value)| !value.is_empty()).collect();
        let node = plan.node.value.version();
        let expected = [
            ("dockerfile", "FROM a\n"),
            ("node-version", node.as_str()),
            ("next-version", "16.4.5"),
            ("package-manager", "pnpm@10.12.4"),
            ("pushed", "false"),
        ];
        assert_eq!(known, expected);
        let outputs = Outputs::of(&OutputSource { facts: None, plan: None, dockerfile: "", ..failed });
        assert_eq!(outputs.iter().map(|(name, _)| name).collect::<Vec<_>>(), Outputs::names());
        assert_eq!(outputs.iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>(), [("pushed", "false")]);
    }

    #[test]
    fn values_over_the_limit_are_dropped() {
        let sample = Sample::npm();
        let plan = sample.plan();
        let long = "é".repeat(10_000_000);
        let outputs = Outputs::of(&source(&sample, &plan, &long));
        assert_eq!((outputs.get("dockerfile"), outputs.get("metadata")), (Some(""), Some("{}")));
        assert_eq!(outputs.get("pushed"), Some("false"));
    }
}
