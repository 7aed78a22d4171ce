//! Calls in `next.config` of functions from elsewhere: wrappers from other modules are assumed to return the configuration they are
//! given, and a few functions of JavaScript and Node.js are known.

use oxc_ast::ast::{Argument, CallExpression, Expression, MemberExpression, NewExpression};
use oxc_span::GetSpan;

use super::evaluate::{Evaluator, join_paths};
use super::value::{JsValue, ListBuilder, Object, ScopeId};

/// Options of Next.js, which distinguish a configuration from the options of a wrapper.
const OPTIONS: &[&str] = &[
    "assetPrefix",
    "basePath",
    "cacheComponents",
    "compiler",
    "compress",
    "crossOrigin",
    "deploymentId",
    "distDir",
    "env",
    "eslint",
    "experimental",
    "generateBuildId",
    "headers",
    "i18n",
    "images",
    "modularizeImports",
    "output",
    "outputFileTracingRoot",
    "pageExtensions",
    "poweredByHeader",
    "productionBrowserSourceMaps",
    "publicRuntimeConfig",
    "reactStrictMode",
    "redirects",
    "rewrites",
    "sassOptions",
    "serverExternalPackages",
    "serverRuntimeConfig",
    "swcMinify",
    "trailingSlash",
    "transpilePackages",
    "turbopack",
    "typescript",
    "webpack",
];

impl<'a> Evaluator<'a, '_> {
    pub fn call_expression(&mut self, call: &'a CallExpression<'a>, scope: ScopeId) -> JsValue<'a> {
        let offset = call.span.start;
        if let Some(value) = self.known_call(call, scope) {
            return value;
        }
        let callee = self.evaluate(&call.callee, scope);
        let arguments = self.arguments(&call.arguments, scope);
        if let JsValue::Function(function, defined_in) = callee {
            return self.call(function, defined_in, arguments, offset);
        }
        if self.in_property > 0 {
            let unknown = arguments.iter().find(|argument| matches!(argument, JsValue::Unknown(_)));
            return match unknown {
                Some(unknown) => unknown.clone(),
                None => JsValue::unknown(format!("it is what `{}` returns", name_of(&call.callee)), offset),
            };
        }
        let name = name_of(&call.callee);
        self.wrapped(&name, &arguments, offset)
            .unwrap_or_else(|| JsValue::unknown(format!("it is what `{name}` returns"), offset))
    }

    pub fn new_expression(&mut self, new: &'a NewExpression<'a>, scope: ScopeId) -> JsValue<'a> {
        let arguments = self.arguments(&new.arguments, scope);
        match (new.callee.is_specific_id("URL"), arguments.as_slice()) {
            // `new URL('..', import.meta.url)`
            (true, [JsValue::Text(path), JsValue::Path(base)]) => {
                JsValue::path(&join_paths(&join_paths(base, ".."), path), new.span.start)
            }
            _ => JsValue::unknown(format!("it is a new `{}`", name_of(&new.callee)), new.span.start),
        }
    }

    fn arguments(&mut self, arguments: &'a [Argument<'a>], scope: ScopeId) -> Vec<JsValue<'a>> {
        let mut values = ListBuilder::default();
        for argument in arguments {
            match argument {
                Argument::SpreadElement(spread) => match self.evaluate(&spread.argument, scope) {
                    JsValue::List(more) => values.extend(&more),
                    other => values.push(JsValue::Unknown(other.why(spread.span.start))),
                },
                other => {
                    let Some(expression) = other.as_expression() else { continue };
                    values.push(self.evaluate(expression, scope));
                }
            }
        }
        let offset = arguments.first().map_or(0, |argument| argument.span().start);
        values.finish().unwrap_or_else(|| vec![JsValue::unknown("it has too many arguments", offset)])
    }

    /// The assumed result of an unknown wrapper: its first argument, which may be a function that returns the configuration. An object
    /// without options of Next.js before one that has some is an argument of another kind (`withPlugins({ debug }, config)`).
    fn wrapped(&mut self, name: &str, arguments: &[JsValue<'a>], offset: u32) -> Option<JsValue<'a>> {
        if let Some(merged) = self.merged(name, arguments, offset) {
            return Some(merged);
        }
        let like_configuration = |value: &JsValue<'a>| match value {
            JsValue::Object(id) => OPTIONS.iter().any(|name| self.heap[*id].own(name).is_some()),
            _ => false,
        };
        let may_be = |value: &&JsValue<'a>| {
            matches!(
                value,
                JsValue::Object(_)
                    | JsValue::Function(..)
                    | JsValue::OneOf(..)
                    | JsValue::Import(..)
                    | JsValue::Unknown(_)
            )
        };
        let first = arguments.iter().find(may_be)?;
        let other = match first {
            JsValue::Object(id) if self.heap[*id].len() > 0 && self.heap[*id].open.is_none() => {
                arguments.iter().find(|value| like_configuration(value))
            }
            _ => None,
        };
        Some(other.unwrap_or(first).clone())
    }

    /// What functions return that merge objects, by their names: `deepmerge(a, b)`, `_.merge({}, a, b)`, `defu(a, b)`.
    fn merged(&mut self, name: &str, arguments: &[JsValue<'a>], offset: u32) -> Option<JsValue<'a>> {
        let name = name.trim_end_matches("()").to_ascii_lowercase();
        let objects = arguments.iter().filter(|value| matches!(value, JsValue::Object(_))).count();
        if objects == 0 || arguments.len() < 2 || !(name.contains("merge") || name == "defu" || name == "extend") {
            return None;
        }
        let mut object = Object::default();
        let mut overlay = |value: &JsValue<'a>| self.spread(&mut object, value, offset);
        if name == "defu" {
            arguments.iter().rev().for_each(&mut overlay);
        } else {
            arguments.iter().for_each(&mut overlay);
        }
        Some(self.allocate(object))
    }

    /// Calls whose meaning is known without their source.
    fn known_call(&mut self, call: &'a CallExpression<'a>, scope: ScopeId) -> Option<JsValue<'a>> {
        let offset = call.span.start;
        if call.callee.is_specific_id("require") {
            let module = self.arguments(&call.arguments, scope).into_iter().next()?;
            return Some(self.import(&module, offset));
        }
        let (module, function) = match &call.callee {
            Expression::Identifier(name) => match self.evaluate(&call.callee, scope) {
                JsValue::Import(module, function) => (module.to_string(), function.to_string()),
                JsValue::Function(..) => return None,
                _ => ("global".to_owned(), name.name.to_string()),
            },
            other => {
                let member = other.as_member_expression()?;
                let function = member.static_property_name()?.to_string();
                (self.owner(member, scope), function)
            }
        };
        let module = module.strip_prefix("node:").unwrap_or(&module);
        let mut arguments = || self.arguments(&call.arguments, scope);
        match (module, function.as_str()) {
            ("path", "join" | "resolve") => Some(path_of(&arguments(), function == "resolve", offset)),
            ("path", "dirname") => match arguments().first()? {
                JsValue::Path(path) => Some(JsValue::path(&join_paths(path, ".."), offset)),
                other => Some(JsValue::Unknown(other.why(offset))),
            },
            ("url", "fileURLToPath") | ("Object", "freeze" | "seal") | ("Promise", "resolve") => {
                arguments().into_iter().next()
            }
            ("process", "cwd") => Some(JsValue::path("", offset)),
            ("global", "Boolean") => {
                let value = arguments().into_iter().next()?;
                Some(value.truthy().map_or_else(|| JsValue::Unknown(value.why(offset)), JsValue::Bool))
            }
            ("Object", "assign") => {
                let arguments = arguments();
                let (target, sources) = arguments.split_first()?;
                let JsValue::Object(id) = target else { return None };
                if !self.spend_properties(self.heap[*id].len()) {
                    return None;
                }
                let mut object = self.heap[*id].clone();
                for source in sources {
                    self.spread(&mut object, source, offset);
                }
                *self.object_mut(*id) = object;
                Some(target.clone())
            }
            // `plugins.reduce((config, plugin) => plugin(config), config)`
            (_, "reduce") => arguments().into_iter().nth(1),
            _ => None,
        }
    }

    /// The module or the global object whose method is called.
    fn owner(&mut self, member: &'a MemberExpression<'a>, scope: ScopeId) -> String {
        if let Expression::Identifier(name) = member.object()
            && matches!(name.name.as_str(), "Object" | "Promise" | "process")
        {
            return name.name.to_string();
        }
        if matches!(member.object(), Expression::Identifier(_)) {
            return match self.evaluate(member.object(), scope) {
                JsValue::Import(module, _) => module.to_string(),
                _ => String::new(),
            };
        }
        String::new()
    }
}

fn path_of<'a>(arguments: &[JsValue<'a>], resolve: bool, offset: u32) -> JsValue<'a> {
    let mut base = resolve.then(String::new);
    let mut text = String::new();
    for argument in arguments {
        match argument {
            JsValue::Path(path) => base = Some(path.to_string()),
            JsValue::Text(part) if resolve && part.starts_with('/') => return argument.clone(),
            JsValue::Text(part) => {
                base = base.map(|base| join_paths(&base, part));
                text = format!("{text}/{}", &**part);
            }
            other => return JsValue::Unknown(other.why(offset)),
        }
        // Checked for every part, since each may be long.
        if let too_long @ JsValue::Unknown(_) = JsValue::text(base.as_deref().unwrap_or(&text), offset) {
            return too_long;
        }
    }
    match base {
        Some(base) => JsValue::path(&base, offset),
        None => JsValue::text(text.trim_start_matches('/'), offset),
    }
}

fn name_of(expression: &Expression<'_>) -> String {
    match expression {
        Expression::Identifier(name) => format!("{}()", name.name),
        other => match other.as_member_expression().and_then(MemberExpression::static_property_name) {
            Some(name) => format!("{name}()"),
            None => "a function".to_owned(),
        },
    }
}
