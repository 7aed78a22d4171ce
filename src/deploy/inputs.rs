//! What a launch is given: the image, folder or container document of the command line, and the files that a configuration names.

use std::path::{Path, PathBuf};

use super::container_config::ContainerConfig;
use super::document::read_document;
use super::error::LaunchError;
use super::plan::LoadedEnvFile;
use super::secrets::SecretFile;
use crate::config::cli::ContainerArgs;
use crate::config::settings::SecretValue;
use crate::host::{Environment, FILE_LIMIT, read_named, read_named_text};
use crate::origin::Origin;
use crate::project::parse_dotenv;
use crate::secret::Secret;

/// The container document of the command line, and what is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTarget {
    pub document: Option<PathBuf>,
    pub source: ImageSource,
}

/// Where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// Reference or id.
    Image(String),
    /// A repository to build.
    Folder(PathBuf),
    /// `image` of the document.
    Document,
}

impl RunTarget {
    /// `argument` is a folder, a document (known by its extension) or an image; without one the current folder, unless `spec` names a
    /// document.
    ///
    /// # Errors
    /// [`LaunchError::TwoDocuments`], and [`LaunchError::NoFolder`] for a path that does not exist.
    pub fn new(argument: Option<&str>, spec: Option<&str>) -> Result<Self, LaunchError> {
        let spec = spec.map(PathBuf::from);
        let Some(text) = argument else {
            let source = if spec.is_some() { ImageSource::Document } else { ImageSource::Folder(PathBuf::from(".")) };
            return Ok(Self { document: spec, source });
        };
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self { document: spec, source: ImageSource::Folder(path.to_path_buf()) });
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        if matches!(extension.as_deref(), Some("json" | "yml" | "yaml")) {
            return match spec {
                Some(spec) => Err(LaunchError::TwoDocuments { spec }),
                None => Ok(Self { document: Some(path.to_path_buf()), source: ImageSource::Document }),
            };
        }
        // No image reference starts like a path.
        if text.starts_with(['.', '/', '~']) {
            return Err(LaunchError::NoFolder { path: path.to_path_buf() });
        }
        Ok(Self { document: spec, source: ImageSource::Image(text.to_owned()) })
    }
}

/// Absolute, as the daemon needs it.
pub fn current_folder() -> PathBuf {
    std::path::absolute(".").unwrap_or_else(|_| Path::new("/").to_path_buf())
}

/// The configuration in the document at `path`; relative paths in it start from its folder.
pub fn read_config(path: &Path, environment: &Environment) -> Result<ContainerConfig, LaunchError> {
    let text = read_named_text(path, FILE_LIMIT).map_err(|error| LaunchError::Unreadable {
        path: path.to_path_buf(),
        given_by: "the command line".to_owned(),
        reason: error.to_string(),
    })?;
    let folder = current_folder().join(path.parent().unwrap_or(Path::new("")));
    read_document(&path.to_string_lossy(), &text, &folder, environment)
}

/// The files with variables, in their order.
pub fn read_env_files(config: &ContainerConfig) -> Result<Vec<LoadedEnvFile>, LaunchError> {
    let mut files = Vec::new();
    for file in &config.env_files {
        let failed = |reason: String| unreadable(&file.value, &file.origin, reason);
        let text = read_named_text(&file.value, FILE_LIMIT).map_err(|error| failed(error.to_string()))?;
        let variables = parse_dotenv(&text).map_err(|error| failed(error.to_string()))?;
        files.push(LoadedEnvFile { origin: Origin::File(file.value.display().to_string()), variables });
    }
    Ok(files)
}

/// `environment`, with placeholders for unset variables that secrets of `args` come from: enough to plan without their values.
pub fn with_variables_of_secrets(args: &ContainerArgs, environment: &Environment) -> Environment {
    let names = args.secret.iter().filter_map(|text| {
        let named = text.split(',').find_map(|part| part.strip_prefix("env="));
        named.or_else(|| (!text.contains(['=', ','])).then_some(text.as_str()))
    });
    let missing = names.filter(|name| environment.get(name).is_none()).map(|name| (name, "not needed"));
    Environment::from_pairs(environment.iter().chain(missing))
}

/// The values of all secrets.
pub fn read_secrets(config: &ContainerConfig) -> Result<Vec<SecretFile>, LaunchError> {
    let mut secrets = Vec::new();
    for secret in &config.secrets {
        let value = match &secret.value.value {
            SecretValue::Value(value) => value.expose().clone().into_bytes(),
            SecretValue::File(path) => {
                read_named(path, FILE_LIMIT).map_err(|error| unreadable(path, &secret.origin, error.to_string()))?
            }
        };
        secrets.push(SecretFile { id: secret.value.id.clone(), value: Secret::new(value) });
    }
    Ok(secrets)
}

fn unreadable(path: &Path, origin: &Origin, reason: String) -> LaunchError {
    let given_by = match origin {
        Origin::Flag(name) | Origin::File(name) => format!("`{name}`"),
        other => other.to_string(),
    };
    LaunchError::Unreadable { path: path.to_path_buf(), given_by, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_folder_a_document_or_an_image() {
        let kind = |text: &str| match RunTarget::new(Some(text), None).unwrap() {
            RunTarget { source: ImageSource::Image(_), .. } => "image",
            RunTarget { source: ImageSource::Folder(_), .. } => "folder",
            RunTarget { source: ImageSource::Document, .. } => "document",
        };
        for (text, expected) in [
            (".", "folder"),
            ("examples/hello-next", "folder"),
            ("examples/hello-next/package.json", "document"),
            ("missing.yml", "document"),
            ("ghcr.io/acme/shop:1.2", "image"),
            ("hello-next", "image"),
            ("localhost:5000/a.b/c", "image"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
