//! `next.config.*` without running it: text in, [`NextConfig`] out.
//!
//! Parsed by a real JavaScript and TypeScript parser and evaluated as far as the file itself allows. What it does not determine
//! is reported as unknown, with the reason and the line. Never runs code of the project.

mod calls;
mod evaluate;
mod nesting;
mod run;
mod value;

use std::collections::BTreeMap;

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_span::SourceType;

use super::error::ProjectError;
use super::facts::{NextConfig, NextVersion, OutputMode, StaticValue};
use super::text::{self, line_of_key};
use super::workspace::relative;
use crate::diagnostic::{Location, Warning};
use crate::host;
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use evaluate::Evaluator;
use value::{JsValue, Object, UnknownReason};

/// The file names that Next.js supports, in order of precedence, and `.cjs`, which it does not support but projects use.
pub(super) const NAMES: &[&str] =
    &["next.config.js", "next.config.mjs", "next.config.ts", "next.config.mts", "next.config.cjs"];

/// Largest configuration that is read, in bytes.
const MAX_SIZE: usize = 256 * 1024;

/// The evaluated configuration, with options that are not facts themselves.
#[derive(Debug, Clone)]
pub(super) struct EvaluatedConfig {
    pub config: NextConfig,
    pub page_extensions: Option<Vec<String>>,
    /// `experimental.appDir`, which Next.js 13.0 to 13.3 require.
    pub app_dir: Option<bool>,
    pub warning: Option<Warning>,
}

/// What the evaluation knows besides the file.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Whether a relative import can be resolved.
    pub module_exists: &'a (dyn Fn(&str) -> bool + Sync),
    /// Variables of the build.
    pub variables: &'a BTreeMap<String, String>,
}

/// Reads the configuration that Next.js of this version would use in a build with these variables.
pub(super) fn detect(
    tree: &SourceTree,
    dir: &RelPath,
    (next, variables): (&NextVersion, &BTreeMap<String, String>),
    warnings: &mut Vec<Warning>,
) -> Result<EvaluatedConfig, ProjectError> {
    // Next.js looks in the folders above, too (`findUp` in `loadConfig`).
    let mut folders = std::iter::successors(Some(dir.clone()), RelPath::parent);
    let found = folders.find_map(|folder| Some((choose(tree, &folder, next, warnings)?, folder)));
    let Some((path, folder)) = found else { return Ok(absent()) };
    let Some(content) = text::read(tree, &path)? else { return Ok(absent()) };
    let exists = |module: &str| {
        let Ok(base) = folder.join(module) else { return true };
        let name = base.name().to_owned();
        let folder = base.parent().unwrap_or_default();
        tree.has_file(&base)
            || tree.has_directory(&base)
            || [".js", ".mjs", ".cjs", ".ts", ".mts", ".json"]
                .iter()
                .any(|ext| tree.has_file(&folder.child(&format!("{name}{ext}"))))
    };
    let mut read = parse(&path, content, next, Surroundings { module_exists: &exists, variables })?;
    let levels = relative(&folder, dir).split('/').filter(|part| !part.is_empty()).count();
    if let StaticValue::Value(root) = &mut read.config.output_file_tracing_root
        && !root.value.starts_with('/')
    {
        // A path of the file starts at its folder.
        root.value = format!("{}{}", "../".repeat(levels), root.value);
    }
    Ok(read)
}

/// Reads the text of a configuration.
pub(super) fn parse(
    path: &RelPath,
    content: &str,
    next: &NextVersion,
    surroundings: Surroundings<'_>,
) -> Result<EvaluatedConfig, ProjectError> {
    if content.len() > MAX_SIZE {
        return Err(ProjectError::TooLarge { file: path.clone(), size: content.len() as u64 });
    }
    on_own_stack(path, content, next, surroundings)
}

fn choose(tree: &SourceTree, dir: &RelPath, next: &NextVersion, warnings: &mut Vec<Warning>) -> Option<RelPath> {
    let present: Vec<RelPath> = NAMES.iter().map(|name| dir.child(name)).filter(|path| tree.has_file(path)).collect();
    let reads = |path: &&RelPath| match path.name() {
        "next.config.js" | "next.config.mjs" => true,
        "next.config.ts" => next.major >= 15,
        "next.config.mts" => next.major >= 16 || (next.major == 15 && next.minor >= 5),
        _ => false,
    };
    let chosen = present.iter().find(reads).cloned();
    for other in present.iter().filter(|path| Some(*path) != chosen.as_ref()) {
        let message = match &chosen {
            Some(chosen) => format!("`{other}` is not used: Next.js {next} reads `{chosen}`"),
            None => format!("`{other}` is not used: Next.js {next} does not read it"),
        };
        let hint = if chosen.is_some() { "delete the unused file" } else { "rename it to `next.config.mjs`" };
        let warning = Warning::new("project/next-config-not-used", message).with_hint(hint);
        warnings.push(warning.at(Location::file(other.as_str())));
    }
    chosen
}

fn absent() -> EvaluatedConfig {
    let config = NextConfig::default();
    EvaluatedConfig { config, page_extensions: None, app_dir: None, warning: None }
}

/// Enough for the parser at the deepest accepted nesting, and for the evaluator, in a debug build.
const STACK: usize = 64 * 1024 * 1024;

/// Reads the configuration in a thread whose stack no accepted nesting can exhaust.
fn on_own_stack(
    path: &RelPath,
    content: &str,
    next: &NextVersion,
    surroundings: Surroundings<'_>,
) -> Result<EvaluatedConfig, ProjectError> {
    let unreadable = |reason: String| ProjectError::Unreadable { file: path.clone(), reason };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).name("next.config".to_owned());
        let work = thread.spawn_scoped(scope, || host::guarded(|| read(path, content, next, surroundings)));
        let work = work.map_err(|error| unreadable(error.to_string()))?;
        work.join().ok().flatten().ok_or_else(|| unreadable("the parser failed".to_owned()))?
    })
}

fn read(
    path: &RelPath,
    content: &str,
    next: &NextVersion,
    surroundings: Surroundings<'_>,
) -> Result<EvaluatedConfig, ProjectError> {
    let malformed = |offset: usize, message: String| ProjectError::Malformed {
        location: Location::at_offset(path.as_str(), content, offset),
        kind: "JavaScript",
        message,
    };
    let source_type = match path.name().rsplit('.').next() {
        Some("ts" | "mts") => SourceType::ts(),
        Some("mjs") => SourceType::mjs(),
        Some("cjs") => SourceType::cjs(),
        _ => SourceType::unambiguous(),
    };
    if let Some(offset) = nesting::too_deep(content, source_type.is_typescript()) {
        return Err(malformed(offset, "it is nested too deeply".to_owned()));
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, content, source_type).parse();
    if let Some(error) = parsed.diagnostics.iter().next() {
        let offset = error.labels.first().map_or(0, oxc_span::LabeledSpan::offset);
        return Err(malformed(offset as usize, error.message.to_string()));
    }
    let mut evaluator = Evaluator::new(surroundings);
    evaluator.run_program(&parsed.program);
    let config = configuration(&mut evaluator, content);
    Ok(Options { evaluator: &evaluator, config, path, content }.read(next))
}

/// The exported object; functions are called as Next.js calls them for a production build.
fn configuration<'a>(evaluator: &mut Evaluator<'a, '_>, source: &str) -> JsValue<'a> {
    let mut value = evaluator.exported.clone().unwrap_or(JsValue::Undefined);
    if let JsValue::Object(_) = &value {
        // `exports.default = …` of compiled modules.
        let default = evaluator.get(&value, "default", 0);
        if !matches!(default, JsValue::Undefined | JsValue::Unknown(_)) {
            value = default;
        }
    }
    for _ in 0..5 {
        let JsValue::Function(function, scope) = value else { break };
        let defaults = evaluator.allocate(Object::default());
        let mut context = Object::default();
        context.set("defaultConfig", defaults);
        let context = evaluator.allocate(context);
        value = evaluator.call(function, scope, vec![JsValue::text("phase-production-build", 0), context], 0);
    }
    // Skipped code may have changed anything.
    if evaluator.exceeded() {
        return JsValue::unknown("the configuration is too complicated to follow", 0);
    }
    match value {
        JsValue::Import(module, _) => {
            let offset = offset_of(source, &module);
            JsValue::unknown(format!("the configuration comes from `{module}`"), offset)
        }
        JsValue::Function(..) => JsValue::unknown("the configuration is too complicated to follow", 0),
        value => value,
    }
}

/// Where a module is named first.
fn offset_of(source: &str, module: &str) -> u32 {
    source.find(module).and_then(|offset| u32::try_from(offset).ok()).unwrap_or(0)
}

struct Options<'a, 'e, 'f> {
    evaluator: &'e Evaluator<'a, 'f>,
    config: JsValue<'a>,
    path: &'e RelPath,
    content: &'e str,
}

impl<'a> Options<'a, '_, '_> {
    fn read(&self, next: &NextVersion) -> EvaluatedConfig {
        // Next.js 15 moves the experimental option to the other, and 16.3 falls back to the root of Turbopack.
        let mut tracing_root = StaticValue::Absent;
        for (from, keys) in [
            ((15, 0), ["outputFileTracingRoot"].as_slice()),
            ((12, 0), &["experimental", "outputFileTracingRoot"]),
            ((16, 3), &["turbopack", "root"]),
        ] {
            if tracing_root == StaticValue::Absent && (next.major, next.minor) >= from {
                tracing_root = self.option(keys, path_or_text);
            }
        }
        let loader_file = self.option(&["images", "loaderFile"], text);
        let loader = self.option(&["images", "loader"], text);
        let config = NextConfig {
            file: Some(self.path.clone()),
            output: self.output(next),
            base_path: self.option(&["basePath"], text),
            asset_prefix: self.option(&["assetPrefix"], text),
            dist_dir: self.option(&["distDir"], text),
            trailing_slash: self.option(&["trailingSlash"], boolean),
            generate_build_id: self
                .option(&["generateBuildId"], |value| matches!(value, JsValue::Function(..)).then_some(true)),
            deployment_id: self.option(&["deploymentId"], text),
            output_file_tracing_root: tracing_root,
            locales: self.option(&["i18n", "locales"], texts),
            images_unoptimized: self.option(&["images", "unoptimized"], boolean),
            images_loader: if loader_file == StaticValue::Absent { loader } else { loader_file },
            env_keys: self.env_keys(),
        };
        let page_extensions = self.option(&["pageExtensions"], texts).value().cloned();
        let app_dir = self.option(&["experimental", "appDir"], boolean).value().copied();
        EvaluatedConfig { config, page_extensions, app_dir, warning: self.impossible_output() }
    }

    fn value(&self, keys: &[&str]) -> JsValue<'a> {
        keys.iter().fold(self.config.clone(), |value, key| self.evaluator.get(&value, key, 0))
    }

    fn origin(&self, keys: &[&str]) -> Origin {
        Origin::field(self.path.as_str(), &keys.join("."))
    }

    fn option<T: PartialEq>(&self, keys: &[&str], convert: impl Fn(&JsValue<'a>) -> Option<T>) -> StaticValue<T> {
        let value = self.value(keys);
        let one = |value: &JsValue<'a>| match value {
            JsValue::Undefined | JsValue::Null => Ok(None),
            value => convert(value).map(Some).ok_or(()),
        };
        let found = match &value {
            JsValue::OneOf(options, _) => {
                let mut found = options.iter().map(&one);
                let first = found.next().unwrap_or(Ok(None));
                if found.all(|other| other == first) { first } else { Err(()) }
            }
            value => one(value),
        };
        match found {
            Ok(None) => StaticValue::Absent,
            Ok(Some(found)) => StaticValue::Value(Sourced::new(found, self.origin(keys))),
            Err(()) => self.unknown(keys, &value),
        }
    }

    fn unknown<T>(&self, keys: &[&str], value: &JsValue<'a>) -> StaticValue<T> {
        let (why, reason) = match value {
            JsValue::OneOf(options, why) => match options.iter().find(|option| matches!(option, JsValue::Import(..))) {
                Some(import) => (why.clone(), import.why(0).reason.to_string()),
                None => (why.clone(), format!("{}: {}", why.reason, value.describe())),
            },
            JsValue::Unknown(why) => (why.clone(), why.reason.to_string()),
            JsValue::Import(module, _) => {
                let why = value.why(offset_of(self.content, module));
                (why.clone(), why.reason.to_string())
            }
            other => (UnknownReason::new("", 0), format!("{} is not a valid value", other.describe())),
        };
        let line = match why.offset {
            0 => keys.last().and_then(|key| line_of_key(self.content, key)),
            offset => Location::at_offset(self.path.as_str(), self.content, offset as usize).line,
        };
        StaticValue::Unknown { reason, line: line.unwrap_or(1) }
    }

    /// `standalone` and unset are equivalent: an unset output gets the default that the build sets.
    fn output(&self, next: &NextVersion) -> StaticValue<OutputMode> {
        let value = self.value(&["output"]);
        if let JsValue::OneOf(options, why) = &value {
            let standalone = |option: &JsValue<'a>| matches!(option, JsValue::Text(text) if &**text == "standalone");
            let unset = |option: &JsValue<'a>| matches!(option, JsValue::Undefined | JsValue::Null);
            if options.iter().all(|option| standalone(option) || unset(option)) {
                let origin = Origin::Derived(format!("`{}`: `standalone` or unset, as {}", self.path, why.reason));
                return StaticValue::Value(Sourced::new(OutputMode::Default, origin));
            }
        }
        let mode = |value: &JsValue<'a>| match value {
            JsValue::Text(text) => match &**text {
                "standalone" => Some(OutputMode::Standalone),
                "export" => Some(OutputMode::Export),
                _ => None,
            },
            _ => None,
        };
        let output = self.option(&["output"], mode);
        let old = self.value(&["experimental", "outputStandalone"]);
        if output == StaticValue::Absent && next.major == 12 && old.truthy() == Some(true) {
            let origin = self.origin(&["experimental", "outputStandalone"]);
            return StaticValue::Value(Sourced::new(OutputMode::Standalone, origin));
        }
        output
    }

    /// Warns about an `output` that Next.js does not know: some versions fail after minutes, others ignore it.
    fn impossible_output(&self) -> Option<Warning> {
        let value = self.value(&["output"]);
        match &value {
            JsValue::Text(text) if ["standalone", "export"].contains(&&**text) => return None,
            JsValue::Text(_) | JsValue::Bool(_) | JsValue::Number(_) => {}
            _ => return None,
        }
        let message = format!("`{}` sets `output` to {}, which Next.js does not know", self.path, value.describe());
        let line = line_of_key(self.content, "output");
        let place = Location { line, ..Location::file(self.path.as_str()) };
        let hint = "set it to `'standalone'` or `'export'`, or leave it out";
        Some(Warning::new("project/next-config-output", message).with_hint(hint).at(place))
    }

    fn env_keys(&self) -> StaticValue<Vec<String>> {
        match self.value(&["env"]) {
            JsValue::Object(id) => match &self.evaluator.heap[id] {
                Object { open: Some(why), .. } => self.unknown(&["env"], &JsValue::Unknown(why.clone())),
                object => {
                    let keys = object.names().map(ToString::to_string).collect();
                    StaticValue::Value(Sourced::new(keys, self.origin(&["env"])))
                }
            },
            JsValue::Undefined | JsValue::Null => StaticValue::Absent,
            other => self.unknown(&["env"], &other),
        }
    }
}

fn text(value: &JsValue<'_>) -> Option<String> {
    if let JsValue::Text(text) = value { Some(text.to_string()) } else { None }
}

/// A path of the build is given relative to the app's folder.
fn path_or_text(value: &JsValue<'_>) -> Option<String> {
    match value {
        JsValue::Path(path) if path.is_empty() => Some(".".to_owned()),
        JsValue::Path(path) | JsValue::Text(path) => Some(path.to_string()),
        _ => None,
    }
}

fn boolean(value: &JsValue<'_>) -> Option<bool> {
    if let JsValue::Bool(value) = value { Some(*value) } else { None }
}

fn texts(value: &JsValue<'_>) -> Option<Vec<String>> {
    let JsValue::List(values) = value else { return None };
    values.iter().map(text).collect()
}

#[cfg(test)]
mod tests;
