//! The Node.js release line: the project's requirements in, [`NodeRequirement`] out.
//!
//! A pinned version (what developers run) takes precedence over a range (what is accepted); within a range the default line is
//! preferred. `docs/detection.md` explains the order. Never queries the network for existing versions.

use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::NodeRequirement;
use super::package_json::PackageJson;
use super::releases::{DEFAULT_NODE_LINE, NODE_LINES, NodeLine};
use super::text;
use super::version::{Range, Version, parse_version};

/// A minimum version, and what needs it.
#[derive(Debug, Clone)]
pub(super) struct NodeFloor {
    pub version: (u64, u64, u64),
    pub needed_by: String,
}

/// A requested version, and where it was written.
#[derive(Debug, Clone)]
struct NodeRequest {
    text: String,
    origin: Origin,
    location: Option<Location>,
}

/// Where a Node.js version may be specified: the app first, then the root.
pub(super) struct NodeSources<'a> {
    pub tree: &'a SourceTree,
    pub manifests: Vec<&'a PackageJson>,
    pub dirs: Vec<RelPath>,
    pub requested: Option<&'a Sourced<String>>,
}

/// Chooses the release line, with a warning if a pin and a range disagree.
pub(super) fn resolve(
    sources: &NodeSources<'_>,
    floors: &[NodeFloor],
) -> Result<(Sourced<NodeRequirement>, Vec<Warning>), ProjectError> {
    let mut warnings = Vec::new();
    let Some(request) = find_request(sources)? else {
        return Ok((default_line(floors), warnings));
    };
    let requirement = understand(&request, floors)?;
    refuse_too_old(&requirement, &request, floors)?;
    if let Some(engines) = engines(sources).filter(|engines| engines.origin != request.origin) {
        warnings.extend(disagreement(&requirement, &request, &engines));
    }
    Ok((Sourced::new(requirement, request.origin), warnings))
}

/// The order of precedence.
fn find_request(sources: &NodeSources<'_>) -> Result<Option<NodeRequest>, ProjectError> {
    if let Some(requested) = sources.requested {
        let request =
            NodeRequest { text: requested.value.trim().to_owned(), origin: requested.origin.clone(), location: None };
        return Ok(Some(request));
    }
    if let Some(request) = volta(sources)? {
        return Ok(Some(request));
    }
    for name in [".nvmrc", ".node-version"] {
        if let Some(request) = first_of(&sources.dirs, |dir| version_file(sources.tree, &dir.child(name)))? {
            return Ok(Some(request));
        }
    }
    if let Some(request) = first_of(&sources.dirs, |dir| tool_versions(sources.tree, &dir.child(".tool-versions")))? {
        return Ok(Some(request));
    }
    Ok(dev_engines(sources).or_else(|| engines(sources)))
}

fn first_of<T>(
    dirs: &[RelPath],
    read: impl Fn(&RelPath) -> Result<Option<T>, ProjectError>,
) -> Result<Option<T>, ProjectError> {
    for dir in dirs {
        if let Some(found) = read(dir)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn field(sources: &NodeSources<'_>, manifest: &PackageJson, keys: &[&str], text: &str) -> NodeRequest {
    NodeRequest {
        text: text.trim().to_owned(),
        origin: Origin::field(manifest.path.as_str(), &keys.join(".")),
        location: Some(manifest.place(sources.tree, keys)),
    }
}

/// Volta's pin, also through `volta.extends`.
fn volta(sources: &NodeSources<'_>) -> Result<Option<NodeRequest>, ProjectError> {
    for manifest in &sources.manifests {
        let mut current = (*manifest).clone();
        for _ in 0..5 {
            if let Some(version) = current.volta.get("node") {
                return Ok(Some(field(sources, &current, &["volta", "node"], version)));
            }
            let extended = current.volta.get("extends").and_then(|path| current.dir.join(path).ok());
            let Some(dir) = extended.and_then(|path| path.parent()) else { break };
            let Some(next) = PackageJson::load(sources.tree, &dir)? else { break };
            current = next;
        }
    }
    Ok(None)
}

/// `.nvmrc` or `.node-version`: one version, comments and blank lines aside.
fn version_file(tree: &SourceTree, path: &RelPath) -> Result<Option<NodeRequest>, ProjectError> {
    let Some(text) = text::read(tree, path)? else { return Ok(None) };
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or("").trim()));
    let Some((line, version)) = lines.find(|(_, version)| !version.is_empty()) else {
        return Err(ProjectError::Malformed {
            location: Location::line(path.as_str(), 1),
            kind: "a Node.js version",
            message: "the file is empty".to_owned(),
        });
    };
    Ok(Some(NodeRequest {
        text: version.to_owned(),
        origin: Origin::File(path.as_str().to_owned()),
        location: Some(Location::line(path.as_str(), line)),
    }))
}

/// asdf and mise: `nodejs 20.1.0`; the first of several versions is used.
fn tool_versions(tree: &SourceTree, path: &RelPath) -> Result<Option<NodeRequest>, ProjectError> {
    let Some(text) = text::read(tree, path)? else { return Ok(None) };
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(tool @ ("nodejs" | "node")), Some(version)) = (words.next(), words.next()) else { continue };
        if version == "system" || version.starts_with("path:") || version.starts_with("ref:") {
            continue;
        }
        return Ok(Some(NodeRequest {
            text: version.to_owned(),
            origin: Origin::field(path.as_str(), tool),
            location: Some(Location::line(path.as_str(), at + 1)),
        }));
    }
    Ok(None)
}

fn dev_engines(sources: &NodeSources<'_>) -> Option<NodeRequest> {
    sources.manifests.iter().find_map(|manifest| {
        let runtime = manifest.dev_runtime.iter().find(|engine| engine.name == "node")?;
        Some(field(sources, manifest, &["devEngines", "runtime"], runtime.version.as_deref()?))
    })
}

fn engines(sources: &NodeSources<'_>) -> Option<NodeRequest> {
    sources.manifests.iter().find_map(|manifest| {
        let range = manifest.engines.get("node")?;
        Some(field(sources, manifest, &["engines", "node"], range))
    })
}

fn default_line(floors: &[NodeFloor]) -> Sourced<NodeRequirement> {
    let requested = DEFAULT_NODE_LINE.to_string();
    let fits = |line: &&NodeLine| floors.iter().all(|floor| line.newest >= floor.version);
    let major = preferred(NODE_LINES.iter().filter(fits)).map_or(DEFAULT_NODE_LINE, |line| line.major);
    let requirement = NodeRequirement { major, exact: None, requested };
    Sourced::new(requirement, Origin::Default("the project specifies no Node.js version".to_owned()))
}

/// The default line, else the newest long-term support line, else the newest.
fn preferred<'l>(lines: impl Iterator<Item = &'l NodeLine> + Clone) -> Option<&'l NodeLine> {
    lines
        .clone()
        .find(|line| line.major == DEFAULT_NODE_LINE)
        .or_else(|| lines.clone().filter(|line| line.codename.is_some()).last())
        .or_else(|| lines.last())
}

fn understand(request: &NodeRequest, floors: &[NodeFloor]) -> Result<NodeRequirement, ProjectError> {
    let requested = request.text.clone();
    let of_line = |line: &NodeLine| NodeRequirement { major: line.major, exact: None, requested: requested.clone() };
    let refuse = |problem: &str| unsupported(request, problem);
    let word = requested.to_ascii_lowercase();
    let word = word.strip_prefix("latest:").unwrap_or(&word);
    if is_name(word) {
        return named_line(word).map(of_line).ok_or_else(|| refuse("names a release line that does not exist"));
    }
    let version = word.strip_prefix('v').unwrap_or(word);
    if let Some(exact) = parse_version(version) {
        if !exact.pre.is_empty() {
            return Err(refuse("is a prerelease, which has no official image"));
        }
        let line = NODE_LINES.iter().find(|line| u64::from(line.major) == exact.major);
        let line = line.ok_or_else(|| refuse("has no official image"))?;
        return Ok(NodeRequirement { exact: Some(exact.to_string()), ..of_line(line) });
    }
    let range = Range::parse(version).ok_or_else(|| refuse("is not a version or a version range"))?;
    in_range(&range, floors, &requested).ok_or_else(|| refuse("matches no version with an official image"))
}

/// True for aliases such as `lts/*`, `lts/jod` and `node`.
fn is_name(word: &str) -> bool {
    word.starts_with("lts") || matches!(word, "--lts" | "node" | "stable" | "current" | "latest")
}

fn named_line(word: &str) -> Option<&'static NodeLine> {
    let mut lts = NODE_LINES.iter().rev().filter(|line| line.codename.is_some());
    match word {
        "lts/*" | "lts" | "--lts" => lts.next(),
        "node" | "stable" | "current" | "latest" => NODE_LINES.last(),
        _ => {
            let name = word.strip_prefix("lts/").or_else(|| word.strip_prefix("lts-"))?;
            match name.strip_prefix('-').and_then(|back| back.parse::<usize>().ok()) {
                Some(back) => lts.nth(back),
                None => lts.find(|line| line.codename == Some(name)),
            }
        }
    }
}

/// The preferred line in the range, with an exact version if the newest one of that line is not in it.
fn in_range(range: &Range, floors: &[NodeFloor], requested: &str) -> Option<NodeRequirement> {
    let newest = |line: &NodeLine| version(line.newest);
    let lowest = |line: &NodeLine| range.lowest_of_major(u64::from(line.major));
    let admitted = |line: &&NodeLine| lowest(line).is_some();
    let runs = |line: &&NodeLine| floors.iter().all(|floor| line.newest >= floor.version);
    let whole = |line: &&NodeLine| range.admits(&newest(line));
    let lines = || NODE_LINES.iter().filter(admitted);
    let line = preferred(lines().filter(runs).filter(whole))
        .or_else(|| preferred(lines().filter(runs)))
        .or_else(|| preferred(lines()))?;
    let exact = if whole(&line) { None } else { lowest(line) };
    Some(NodeRequirement {
        major: line.major,
        exact: exact.map(|exact| exact.to_string()),
        requested: requested.to_owned(),
    })
}

fn version((major, minor, patch): (u64, u64, u64)) -> Version {
    Version::new(major, minor, patch)
}

fn refuse_too_old(
    requirement: &NodeRequirement,
    request: &NodeRequest,
    floors: &[NodeFloor],
) -> Result<(), ProjectError> {
    let newest = NODE_LINES.iter().find(|line| line.major == requirement.major).map(|line| line.newest);
    let exact = requirement.exact.as_deref().and_then(parse_version);
    let runs = exact.map(|exact| (exact.major, exact.minor, exact.patch)).or(newest).unwrap_or_default();
    floors.iter().find(|floor| runs < floor.version).map_or(Ok(()), |floor| {
        let (major, minor, patch) = floor.version;
        Err(ProjectError::NodeTooOld {
            version: request.text.clone(),
            origin: request.origin.to_string(),
            needed_by: floor.needed_by.clone(),
            floor: format!("{major}.{minor}.{patch}"),
            location: request.location.clone().map(Box::new),
        })
    })
}

fn unsupported(request: &NodeRequest, problem: &str) -> ProjectError {
    ProjectError::NodeUnsupported {
        requested: request.text.clone(),
        origin: request.origin.to_string(),
        problem: problem.to_owned(),
        location: request.location.clone().map(Box::new),
    }
}

/// A pin outside `engines.node` makes `yarn` and engine-strict installs fail.
fn disagreement(requirement: &NodeRequirement, request: &NodeRequest, engines: &NodeRequest) -> Option<Warning> {
    let range = Range::parse(&engines.text)?;
    let exact = requirement.exact.as_deref().and_then(parse_version);
    let line = NODE_LINES.iter().find(|line| line.major == requirement.major)?;
    let chosen = exact.unwrap_or_else(|| version(line.newest));
    if range.admits(&chosen) {
        return None;
    }
    let message = format!(
        "Node.js {} ({}) is outside the range `{}` ({})",
        request.text, request.origin, engines.text, engines.origin
    );
    let warning = Warning::new("project/node-mismatch", message).with_hint("use the same release line in both");
    Some(match &engines.location {
        Some(location) => warning.at(location.clone()),
        None => warning,
    })
}

#[cfg(test)]
mod tests;
