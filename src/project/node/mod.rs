//! The Node.js release line: the project's requirements in, [`NodeRequirement`] out.
//!
//! A pinned version (what developers run) takes precedence over a range (what is accepted); within a range the default line is
//! preferred. `docs/detection.md` explains the order. Never queries the network for existing versions.

use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::{NextVersion, NodeRequirement};
use super::package_json::PackageJson;
use super::releases::{NodeLine, lts_lines, node_line, node_line_of_next, node_lines};
use super::tool_versions::{self, VersionFile, VersionFolder};
use super::version::{Range, Version, parse_version};

/// A minimum version, and what needs it.
#[derive(Debug, Clone)]
pub(super) struct NodeFloor {
    pub version: Version,
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
    pub folders: Vec<VersionFolder<'a>>,
    pub requested: Option<&'a Sourced<String>>,
    pub next: &'a NextVersion,
    /// Version of `@types/node`.
    pub types: Option<Version>,
}

/// The line that is used when the project leaves the choice, and why.
struct PreferredLine {
    major: u32,
    reason: Option<String>,
}

/// Chooses the release line, with warnings if a pin and a range disagree and if the line has ended.
pub(super) fn resolve(
    sources: &NodeSources<'_>,
    floors: &[NodeFloor],
) -> Result<(Sourced<NodeRequirement>, Vec<Warning>), ProjectError> {
    let preferred = preferred_line(sources);
    let Some(request) = find_request(sources)? else {
        let node = default_line(preferred, floors);
        let warnings = ended(&node, None).into_iter().collect();
        return Ok((node, warnings));
    };
    let requirement = understand(&request, preferred.major, floors)?;
    refuse_too_old(&requirement, &request, floors)?;
    let mut warnings = Vec::new();
    if let Some(engines) = engines(sources).filter(|engines| engines.origin != request.origin) {
        warnings.extend(disagreement(&requirement, &request, &engines));
    }
    let node = Sourced::new(requirement, request.origin);
    warnings.extend(ended(&node, request.location));
    Ok((node, warnings))
}

/// The line that Next.js was made for, or a later one whose types the app uses.
fn preferred_line(sources: &NodeSources<'_>) -> PreferredLine {
    let next = sources.next;
    let of_next = node_line_of_next(u64::from(next.major));
    let of_types = sources.types.as_ref().and_then(|types| {
        let line = lts_lines().rfind(|line| u64::from(line.major) <= types.major)?;
        let reason = Some(format!("it uses the types of Node.js {types}"));
        (line.major > of_next).then_some(PreferredLine { major: line.major, reason })
    });
    let older = of_next < node_line_of_next(u64::MAX);
    let reason = older.then(|| format!("Next.js {next} was made for this line"));
    of_types.unwrap_or(PreferredLine { major: of_next, reason })
}

/// A line that gets no fixes any more.
fn ended(node: &Sourced<NodeRequirement>, location: Option<Location>) -> Option<Warning> {
    let line = node_line(node.value.major).filter(|line| line.has_ended())?;
    let message =
        format!("Node.js {} ({}) has had no security fixes since {}", node.value.version(), node.origin, line.end);
    let supported = lts_lines().find(|line| !line.has_ended())?;
    let hint = format!("use a maintained line, such as `{}`, supported until {}", supported.major, supported.end);
    let warning = Warning::new("project/node-end-of-life", message).with_hint(hint);
    Some(match location {
        Some(location) => warning.at(location),
        None => warning,
    })
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
        for folder in &sources.folders {
            let Some(file) = folder.read(name)? else { continue };
            if let Some(request) = version_file(&file)? {
                return Ok(Some(request));
            }
        }
    }
    if let Some(pinned) = tool_versions::find(&sources.folders, &["node", "nodejs"])? {
        return Ok(Some(NodeRequest { text: pinned.text, origin: pinned.origin, location: Some(pinned.location) }));
    }
    Ok(dev_engines(sources).or_else(|| engines(sources)))
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
fn version_file(file: &VersionFile<'_>) -> Result<Option<NodeRequest>, ProjectError> {
    let mut lines =
        file.text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or("").trim()));
    let Some((line, version)) = lines.find(|(_, version)| !version.is_empty()) else {
        return Err(ProjectError::Malformed {
            location: Location::line(file.path.as_str(), 1),
            kind: "a Node.js version",
            message: "the file is empty".to_owned(),
        });
    };
    if !tool_versions::is_release(version) {
        return Ok(None);
    }
    Ok(Some(NodeRequest {
        text: version.to_owned(),
        origin: Origin::File(file.path.clone()),
        location: Some(Location::line(file.path.as_str(), line)),
    }))
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

fn default_line(preferred: PreferredLine, floors: &[NodeFloor]) -> Sourced<NodeRequirement> {
    let runs = |line: &&NodeLine| floors.iter().all(|floor| *line.newest() >= floor.version);
    let major = nearest(&node_lines().iter().filter(runs), preferred.major).map_or(preferred.major, |line| line.major);
    let requirement = NodeRequirement { major, exact: None, requested: major.to_string() };
    let reason = preferred.reason.filter(|_| major == preferred.major);
    let reason = reason.map(|reason| format!(", and {reason}")).unwrap_or_default();
    Sourced::new(requirement, Origin::Default(format!("the project specifies no Node.js version{reason}")))
}

/// The line `wanted`, else the next long-term support line, else the one before it, else a line without long-term support.
fn nearest<'l>(lines: &(impl Iterator<Item = &'l NodeLine> + Clone), wanted: u32) -> Option<&'l NodeLine> {
    let lts = || lines.clone().filter(|line| line.codename.is_some());
    let after = |line: &&NodeLine| line.major > wanted;
    let same = lines.clone().find(|line| line.major == wanted);
    same.or_else(|| lts().find(after))
        .or_else(|| lts().last())
        .or_else(|| lines.clone().find(after))
        .or_else(|| lines.clone().last())
}

fn understand(request: &NodeRequest, preferred: u32, floors: &[NodeFloor]) -> Result<NodeRequirement, ProjectError> {
    let requested = request.text.clone();
    let of_line = |line: &NodeLine| NodeRequirement { major: line.major, exact: None, requested: requested.clone() };
    let refuse = |problem: &str| unsupported(request, problem);
    let word = requested.to_ascii_lowercase();
    if let Some(line) = named_line(&word) {
        return Ok(of_line(line));
    }
    if word.starts_with("lts") {
        return Err(refuse("names a release line that does not exist"));
    }
    let version = word.strip_prefix('v').unwrap_or(&word);
    if let Some(exact) = parse_version(version) {
        if !exact.pre.is_empty() {
            return Err(refuse("is a prerelease, which has no official image"));
        }
        let line = node_lines().iter().find(|line| u64::from(line.major) == exact.major);
        let line = line.ok_or_else(|| refuse("has no official image"))?;
        return Ok(NodeRequirement { exact: Some(exact.to_string()), ..of_line(line) });
    }
    let range = Range::parse(version).ok_or_else(|| refuse("is not a version or a version range"))?;
    in_range(&range, preferred, floors, &requested).ok_or_else(|| refuse("matches no version with an official image"))
}

/// The line of an alias: `lts/*`, `lts/jod`, `lts/-1`, `jod`, `node`.
fn named_line(word: &str) -> Option<&'static NodeLine> {
    let of_name = |name: &str| lts_lines().find(|line| line.codename.as_deref() == Some(name));
    match word {
        "lts/*" | "lts" | "--lts" => lts_lines().next_back(),
        "node" | "stable" | "current" | "latest" => node_lines().last(),
        _ => {
            let Some(name) = word.strip_prefix("lts/").or_else(|| word.strip_prefix("lts-")) else {
                return of_name(word);
            };
            match name.strip_prefix('-').and_then(|back| back.parse::<usize>().ok()) {
                Some(back) => lts_lines().rev().nth(back),
                None => of_name(name),
            }
        }
    }
}

/// The line in the range that is nearest to the preferred one, with an exact version if its newest release is not in the range.
fn in_range(range: &Range, preferred: u32, floors: &[NodeFloor], requested: &str) -> Option<NodeRequirement> {
    let admitted = |line: &&NodeLine| range.lowest_of_major(u64::from(line.major)).is_some();
    let runs = |line: &&NodeLine| floors.iter().all(|floor| *line.newest() >= floor.version);
    let whole = |line: &&NodeLine| range.admits(line.newest());
    let lines = || node_lines().iter().filter(admitted);
    let line = nearest(&lines().filter(runs).filter(whole), preferred)
        .or_else(|| nearest(&lines().filter(runs), preferred))
        .or_else(|| nearest(&lines(), preferred))?;
    let exact = if whole(&line) {
        None
    } else {
        // A range above all known releases names one that is not in the table yet.
        let newest = line.versions.iter().rfind(|version| range.admits(version)).cloned();
        newest.or_else(|| range.lowest_of_major(u64::from(line.major)))
    };
    Some(NodeRequirement {
        major: line.major,
        exact: exact.map(|exact| exact.to_string()),
        requested: requested.to_owned(),
    })
}

fn refuse_too_old(
    requirement: &NodeRequirement,
    request: &NodeRequest,
    floors: &[NodeFloor],
) -> Result<(), ProjectError> {
    let Some(runs) = version_of(requirement) else { return Ok(()) };
    floors.iter().find(|floor| runs < floor.version).map_or(Ok(()), |floor| {
        Err(ProjectError::NodeTooOld {
            version: request.text.clone(),
            origin: request.origin.to_string(),
            needed_by: floor.needed_by.clone(),
            floor: floor.version.to_string(),
            location: request.location.clone().map(Box::new),
        })
    })
}

/// The exact version, else the newest known one of the line.
fn version_of(requirement: &NodeRequirement) -> Option<Version> {
    let newest = || node_line(requirement.major).map(|line| line.newest().clone());
    requirement.exact.as_deref().and_then(parse_version).or_else(newest)
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
    if range.admits(&version_of(requirement)?) {
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
