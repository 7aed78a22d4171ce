//! Yarn's configuration: linker, cache folder, and the release that the repository contains.

use serde_json::Value;

use super::version_request::VersionRequest;
use crate::diagnostic::{Location, Warning};
use crate::origin::Origin;
use crate::project::error::ProjectError;
use crate::project::facts::YarnLinker;
use crate::project::text;
use crate::project::version::parse_version;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Yarn's configuration.
#[derive(Debug, Default)]
pub(in crate::project) struct YarnConfig {
    /// The release file, if it is committed.
    pub path: Option<RelPath>,
    /// Its version, from its file name.
    pub release: Option<VersionRequest>,
    pub linker: Option<YarnLinker>,
    /// `cacheFolder`, or its default.
    pub cache_folder: Option<String>,
}

/// `.yarnrc.yml` (Berry) and `.yarnrc` (Yarn 1): linker and committed release.
pub(in crate::project) fn read_yarn_config(
    tree: &SourceTree,
    dir: &RelPath,
    warnings: &mut Vec<Warning>,
) -> Result<YarnConfig, ProjectError> {
    let mut config = YarnConfig::default();
    let path = dir.child(".yarnrc.yml");
    if let Some(content) = text::read(tree, &path)? {
        let values = text::parse_yaml(&path, content)?;
        let string = |key: &str| match values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong_yarn_type(&path, content, key, "a string")),
        };
        config.linker = match string("nodeLinker")?.as_deref() {
            None => None,
            Some("node-modules") => Some(YarnLinker::NodeModules),
            Some("pnp") => Some(YarnLinker::Pnp),
            Some("pnpm") => Some(YarnLinker::Pnpm),
            Some(_) => {
                return Err(wrong_yarn_type(&path, content, "nodeLinker", "one of `node-modules`, `pnp`, `pnpm`"));
            }
        };
        config.cache_folder = string("cacheFolder")?;
        let release = string("yarnPath")?.map(|release| (release, line_of(content, "yarnPath")));
        set_release(&mut config, tree, (&path, "yarnPath"), release, warnings);
    }
    let path = dir.child(".yarnrc");
    if config.release.is_none()
        && let Some(content) = text::read(tree, &path)?
    {
        let line = content.lines().position(|line| line.trim_start_matches('"').starts_with("yarn-path"));
        let release = line.and_then(|at| {
            let (_, value) = content.lines().nth(at)?.split_once(char::is_whitespace)?;
            Some((value.trim().trim_matches('"').to_owned(), at + 1))
        });
        set_release(&mut config, tree, (&path, "yarn-path"), release, warnings);
    }
    Ok(config)
}

fn set_release(
    config: &mut YarnConfig,
    tree: &SourceTree,
    (file, key): (&RelPath, &str),
    release: Option<(String, usize)>,
    warnings: &mut Vec<Warning>,
) {
    let Some((release, line)) = release else { return };
    let location = Location::line(file.as_str(), line);
    let path = file.parent().unwrap_or_default().join(&release).ok().filter(|path| tree.has_file(path));
    if path.is_none() {
        let message = format!("`{release}`, which `{file}` names as `{key}`, is not in the repository");
        let hint = "commit the release, or remove the setting and pin Yarn with `packageManager`";
        warnings.push(Warning::new("project/yarn-release-missing", message).with_hint(hint).at(location.clone()));
    }
    config.path = path;
    // `yarn-4.5.0.cjs`, `yarn-1.22.19.js`, `yarn-berry.cjs`
    let name = release.rsplit('/').next().unwrap_or_default();
    let version = name.strip_prefix("yarn-").map(|rest| rest.trim_end_matches(".cjs").trim_end_matches(".js"));
    config.release = version.filter(|version| parse_version(version).is_some()).map(|version| VersionRequest {
        text: version.to_owned(),
        origin: Origin::field(file.as_str(), key),
        location,
    });
}

fn wrong_yarn_type(path: &RelPath, content: &str, key: &str, expected: &'static str) -> ProjectError {
    let location = Location::line(path.as_str(), line_of(content, key));
    ProjectError::WrongType { location, field: key.to_owned(), expected }
}

fn line_of(content: &str, key: &str) -> usize {
    content.lines().position(|line| line.starts_with(key)).map_or(1, |at| at + 1)
}
