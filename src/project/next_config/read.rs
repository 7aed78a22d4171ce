//! From the text of a configuration to facts: parse, evaluate, look at the options that matter.

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_span::SourceType;

use crate::diagnostic::{Location, Warning};
use crate::host;
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;

use super::Read;
use super::evaluate::Evaluator;
use super::nesting;
use super::value::{Object, Value, Why};
use crate::project::error::ProjectError;
use crate::project::facts::{Known, NextConfig, NextVersion, OutputMode};
use crate::project::text::line_of_key;

/// Enough for the parser at the deepest nesting that is let through, and for the evaluator, in a debug build.
const STACK: usize = 64 * 1024 * 1024;

/// Reads the configuration in a thread whose stack no nesting that is let through can exhaust.
pub(super) fn on_own_stack(
    path: &RelPath,
    content: &str,
    next: &NextVersion,
    module_exists: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Read, ProjectError> {
    let unreadable = |reason: String| ProjectError::Unreadable { file: path.clone(), reason };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).name("next.config".to_owned());
        let work = thread.spawn_scoped(scope, || host::guarded(|| read(path, content, next, module_exists)));
        let work = work.map_err(|error| unreadable(error.to_string()))?;
        work.join().ok().flatten().ok_or_else(|| unreadable("the parser failed".to_owned()))?
    })
}

fn read(
    path: &RelPath,
    content: &str,
    next: &NextVersion,
    module_exists: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Read, ProjectError> {
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
    let exists = |module: &str| module_exists(module);
    let mut evaluator = Evaluator::new(&exists);
    evaluator.run_program(&parsed.program);
    let config = configuration(&mut evaluator);
    Ok(Options { evaluator: &evaluator, config, path, content }.read(next))
}

/// The exported object; functions are called as Next.js calls them for a production build.
fn configuration<'a>(evaluator: &mut Evaluator<'a, '_>) -> Value<'a> {
    let mut value = evaluator.exported.clone().unwrap_or(Value::Undefined);
    if let Value::Object(_) = &value {
        // `exports.default = …` of compiled modules.
        let default = evaluator.get(&value, "default", 0);
        if !matches!(default, Value::Undefined | Value::Unknown(_)) {
            value = default;
        }
    }
    for _ in 0..5 {
        let Value::Function(function, scope) = value else { break };
        let defaults = evaluator.allocate(Object::default());
        let mut context = Object::default();
        context.set("defaultConfig", defaults);
        let context = evaluator.allocate(context);
        value = evaluator.call(function, scope, vec![Value::text("phase-production-build", 0), context], 0);
    }
    // What was not followed may have changed anything.
    if evaluator.exceeded() {
        return Value::unknown("the configuration is too complicated to follow", 0);
    }
    match value {
        Value::Import(module, _) => Value::unknown(format!("the configuration comes from `{module}`"), 0),
        Value::Function(..) => Value::unknown("the configuration is too complicated to follow", 0),
        value => value,
    }
}

struct Options<'a, 'e, 'f> {
    evaluator: &'e Evaluator<'a, 'f>,
    config: Value<'a>,
    path: &'e RelPath,
    content: &'e str,
}

impl<'a> Options<'a, '_, '_> {
    fn read(&self, next: &NextVersion) -> Read {
        let tracing_root = if next.major >= 15 {
            self.option(&["outputFileTracingRoot"], path_or_text)
        } else {
            self.option(&["experimental", "outputFileTracingRoot"], path_or_text)
        };
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
                .option(&["generateBuildId"], |value| matches!(value, Value::Function(..)).then_some(true)),
            deployment_id: self.option(&["deploymentId"], text),
            output_file_tracing_root: tracing_root,
            locales: self.option(&["i18n", "locales"], texts),
            images_unoptimized: self.option(&["images", "unoptimized"], boolean),
            images_loader: if loader_file == Known::Absent { loader } else { loader_file },
            env_keys: self.env_keys(),
        };
        let page_extensions = self.option(&["pageExtensions"], texts).value().cloned();
        let app_dir = self.option(&["experimental", "appDir"], boolean).value().copied();
        Read { config, page_extensions, app_dir, warning: self.impossible_output() }
    }

    fn value(&self, keys: &[&str]) -> Value<'a> {
        keys.iter().fold(self.config.clone(), |value, key| self.evaluator.get(&value, key, 0))
    }

    fn origin(&self, keys: &[&str]) -> Origin {
        Origin::field(self.path.as_str(), &keys.join("."))
    }

    fn option<T: PartialEq>(&self, keys: &[&str], convert: impl Fn(&Value<'a>) -> Option<T>) -> Known<T> {
        let value = self.value(keys);
        let one = |value: &Value<'a>| match value {
            Value::Undefined | Value::Null => Ok(None),
            value => convert(value).map(Some).ok_or(()),
        };
        let found = match &value {
            Value::OneOf(options, _) => {
                let mut found = options.iter().map(&one);
                let first = found.next().unwrap_or(Ok(None));
                if found.all(|other| other == first) { first } else { Err(()) }
            }
            value => one(value),
        };
        match found {
            Ok(None) => Known::Absent,
            Ok(Some(found)) => Known::Value(Sourced::new(found, self.origin(keys))),
            Err(()) => self.unknown(keys, &value),
        }
    }

    fn unknown<T>(&self, keys: &[&str], value: &Value<'a>) -> Known<T> {
        let (why, reason) = match value {
            Value::OneOf(_, why) => (why.clone(), format!("{}: {}", why.reason, value.describe())),
            Value::Unknown(why) => (why.clone(), why.reason.to_string()),
            Value::Import(..) => {
                let why = value.why(0);
                (why.clone(), why.reason.to_string())
            }
            other => (Why::new("", 0), format!("{} is no value that it can have", other.describe())),
        };
        let line = match why.offset {
            0 => keys.last().and_then(|key| line_of_key(self.content, key)),
            offset => Location::at_offset(self.path.as_str(), self.content, offset as usize).line,
        };
        Known::Unknown { reason, line: line.unwrap_or(1) }
    }

    /// `standalone` or unset come to the same, as an unset output falls through to the default that the build sets.
    fn output(&self, next: &NextVersion) -> Known<OutputMode> {
        let value = self.value(&["output"]);
        if let Value::OneOf(options, why) = &value {
            let standalone = |option: &Value<'a>| matches!(option, Value::Text(text) if &**text == "standalone");
            let unset = |option: &Value<'a>| matches!(option, Value::Undefined | Value::Null);
            if options.iter().all(|option| standalone(option) || unset(option)) {
                let origin = Origin::Derived(format!("`{}`: `standalone` or unset, as {}", self.path, why.reason));
                return Known::Value(Sourced::new(OutputMode::Default, origin));
            }
        }
        let mode = |value: &Value<'a>| match value {
            Value::Text(text) => match &**text {
                "standalone" => Some(OutputMode::Standalone),
                "export" => Some(OutputMode::Export),
                _ => None,
            },
            _ => None,
        };
        let output = self.option(&["output"], mode);
        let old = self.value(&["experimental", "outputStandalone"]);
        if output == Known::Absent && next.major == 12 && old.truthy() == Some(true) {
            let origin = self.origin(&["experimental", "outputStandalone"]);
            return Known::Value(Sourced::new(OutputMode::Standalone, origin));
        }
        output
    }

    /// An `output` that no Next.js knows: some versions fail on it after minutes, others build as if it were not there.
    fn impossible_output(&self) -> Option<Warning> {
        let value = self.value(&["output"]);
        match &value {
            Value::Text(text) if ["standalone", "export"].contains(&&**text) => return None,
            Value::Text(_) | Value::Bool(_) | Value::Number(_) => {}
            _ => return None,
        }
        let message = format!("`{}` sets `output` to {}, which Next.js does not know", self.path, value.describe());
        let line = line_of_key(self.content, "output");
        let place = Location { line, ..Location::file(self.path.as_str()) };
        let hint = "set it to `'standalone'` or `'export'`, or leave it out";
        Some(Warning::new("project/next-config-output", message).with_hint(hint).at(place))
    }

    fn env_keys(&self) -> Known<Vec<String>> {
        match self.value(&["env"]) {
            Value::Object(id) => match &self.evaluator.heap[id] {
                Object { open: Some(why), .. } => self.unknown(&["env"], &Value::Unknown(why.clone())),
                object => {
                    let keys = object.names().map(ToString::to_string).collect();
                    Known::Value(Sourced::new(keys, self.origin(&["env"])))
                }
            },
            Value::Undefined | Value::Null => Known::Absent,
            other => self.unknown(&["env"], &other),
        }
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    if let Value::Text(text) = value { Some(text.to_string()) } else { None }
}

/// A path of the build is given relative to the app's folder.
fn path_or_text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Path(path) if path.is_empty() => Some(".".to_owned()),
        Value::Path(path) | Value::Text(path) => Some(path.to_string()),
        _ => None,
    }
}

fn boolean(value: &Value<'_>) -> Option<bool> {
    if let Value::Bool(value) = value { Some(*value) } else { None }
}

fn texts(value: &Value<'_>) -> Option<Vec<String>> {
    let Value::List(values) = value else { return None };
    values.iter().map(text).collect()
}
