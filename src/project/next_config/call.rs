//! Calls: functions of the file are followed, wrappers from other modules are taken to hand the configuration through.

use std::collections::HashMap;

use oxc_ast::ast::{
    Argument, ArrowFunctionBody, BindingPattern, CallExpression, Expression, FormalParameters, MemberExpression,
    NewExpression,
};
use oxc_span::GetSpan;

use super::evaluate::{Evaluator, Scope};
use super::paths;
use super::value::{FunctionNode, ListBuilder, Object, ScopeId, Value, Why};

/// Options of Next.js by which the configuration is told from the options of a wrapper.
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
    pub fn call_expression(&mut self, call: &'a CallExpression<'a>, scope: ScopeId) -> Value<'a> {
        let offset = call.span.start;
        if let Some(value) = self.known_call(call, scope) {
            return value;
        }
        let callee = self.evaluate(&call.callee, scope);
        let arguments = self.arguments(&call.arguments, scope);
        if let Value::Function(function, defined_in) = callee {
            return self.call(function, defined_in, arguments, offset);
        }
        if self.in_property > 0 {
            let unknown = arguments.iter().find(|argument| matches!(argument, Value::Unknown(_)));
            return match unknown {
                Some(unknown) => unknown.clone(),
                None => Value::unknown(format!("it is what `{}` returns", name_of(&call.callee)), offset),
            };
        }
        self.wrapped(arguments)
            .unwrap_or_else(|| Value::unknown(format!("it is what `{}` returns", name_of(&call.callee)), offset))
    }

    pub fn new_expression(&mut self, new: &'a NewExpression<'a>, scope: ScopeId) -> Value<'a> {
        let arguments = self.arguments(&new.arguments, scope);
        match (new.callee.is_specific_id("URL"), arguments.as_slice()) {
            // `new URL('..', import.meta.url)`
            (true, [Value::Text(path), Value::Path(base)]) => {
                Value::path(&paths::join(&paths::join(base, ".."), path), new.span.start)
            }
            _ => Value::unknown(format!("it is a new `{}`", name_of(&new.callee)), new.span.start),
        }
    }

    fn arguments(&mut self, arguments: &'a [Argument<'a>], scope: ScopeId) -> Vec<Value<'a>> {
        let mut values = ListBuilder::default();
        for argument in arguments {
            match argument {
                Argument::SpreadElement(spread) => match self.evaluate(&spread.argument, scope) {
                    Value::List(more) => values.extend(&more),
                    other => values.push(Value::Unknown(other.why(spread.span.start))),
                },
                other => {
                    let Some(expression) = other.as_expression() else { continue };
                    values.push(self.evaluate(expression, scope));
                }
            }
        }
        let offset = arguments.first().map_or(0, |argument| argument.span().start);
        values.finish().unwrap_or_else(|| vec![Value::unknown("it has too many arguments", offset)])
    }

    /// What an unknown function makes of a configuration: the argument that looks like one, else the first that may be.
    fn wrapped(&self, arguments: Vec<Value<'a>>) -> Option<Value<'a>> {
        let like_configuration = |value: &Value<'a>| match value {
            Value::Object(id) => OPTIONS.iter().any(|name| self.heap[*id].own(name).is_some()),
            _ => false,
        };
        if let Some(configuration) = arguments.iter().find(|value| like_configuration(value)) {
            return Some(configuration.clone());
        }
        let may_be = |value: &Value<'a>| {
            matches!(
                value,
                Value::Object(_) | Value::Function(..) | Value::OneOf(..) | Value::Import(..) | Value::Unknown(_)
            )
        };
        arguments.into_iter().find(may_be)
    }

    /// Runs a function of this file.
    pub fn call(
        &mut self,
        function: FunctionNode<'a>,
        defined_in: ScopeId,
        arguments: Vec<Value<'a>>,
        offset: u32,
    ) -> Value<'a> {
        if !self.enter() {
            return Value::unknown("it is too complicated to follow", offset);
        }
        self.scopes.push(Scope { names: HashMap::new(), parent: Some(defined_in), is_function: true });
        let scope = self.scopes.len() - 1;
        let value = match function {
            FunctionNode::Arrow(arrow) => {
                self.bind_parameters(&arrow.params, arguments, scope);
                match &arrow.body {
                    ArrowFunctionBody::FunctionBody(body) => self.run_function(&body.statements, scope),
                    other => match other.as_expression() {
                        Some(expression) => self.evaluate(expression, scope),
                        None => Value::Undefined,
                    },
                }
            }
            FunctionNode::Function(function) if function.generator => Value::unknown("it is a generator", offset),
            FunctionNode::Function(function) => {
                self.bind_parameters(&function.params, arguments, scope);
                function.body.as_ref().map_or(Value::Undefined, |body| self.run_function(&body.statements, scope))
            }
        };
        self.leave();
        value
    }

    fn bind_parameters(&mut self, parameters: &'a FormalParameters<'a>, arguments: Vec<Value<'a>>, scope: ScopeId) {
        let mut arguments = arguments.into_iter();
        for parameter in &parameters.items {
            let mut value = arguments.next().unwrap_or(Value::Undefined);
            if let (Value::Undefined, Some(default)) = (&value, &parameter.initializer) {
                value = self.evaluate(default, scope);
            }
            self.bind(&parameter.pattern, value, scope);
        }
        if let Some(rest) = &parameters.rest {
            let mut list = ListBuilder::default();
            arguments.for_each(|argument| list.push(argument));
            let offset = rest.rest.argument.span().start;
            self.bind(&rest.rest.argument, list.into_value(offset), scope);
        }
    }

    /// Declares the names of a pattern.
    pub fn bind(&mut self, pattern: &'a BindingPattern<'a>, value: Value<'a>, scope: ScopeId) {
        if !self.enter() {
            return;
        }
        let offset = pattern.span().start;
        match pattern {
            BindingPattern::BindingIdentifier(name) => self.declare(&name.name, value, scope),
            BindingPattern::ObjectPattern(object) => {
                for property in &object.properties {
                    let part = match self.property_key(&property.key, scope) {
                        Ok(key) => self.get(&value, &key, offset),
                        Err(why) => Value::Unknown(why),
                    };
                    self.bind(&property.value, part, scope);
                }
                if let Some(rest) = &object.rest {
                    let mut copy = Object::default();
                    self.spread(&mut copy, &value, offset);
                    let taken = |name: &str| {
                        object
                            .properties
                            .iter()
                            .any(|property| property.key.static_name().is_some_and(|key| key == name))
                    };
                    // Every name is compared with every one that is taken.
                    if !self.spend_properties(copy.len().saturating_mul(object.properties.len())) {
                        return;
                    }
                    let copy = self.allocate(copy.without(taken));
                    self.bind(&rest.argument, copy, scope);
                }
            }
            BindingPattern::ArrayPattern(array) => {
                for (at, element) in array.elements.iter().enumerate() {
                    let part = match &value {
                        Value::List(values) => values.get(at).cloned().unwrap_or(Value::Undefined),
                        other => Value::Unknown(other.why(offset)),
                    };
                    if let Some(element) = element {
                        self.bind(element, part, scope);
                    }
                }
            }
            BindingPattern::AssignmentPattern(assignment) => {
                let value = match value {
                    Value::Undefined => self.evaluate(&assignment.right, scope),
                    value if value.truthy().is_none() => {
                        let default = self.evaluate(&assignment.right, scope);
                        Value::one_of([value.clone(), default], &value.why(offset))
                    }
                    value => value,
                };
                self.bind(&assignment.left, value, scope);
            }
        }
        self.leave();
    }

    /// Calls whose meaning is known without their source.
    fn known_call(&mut self, call: &'a CallExpression<'a>, scope: ScopeId) -> Option<Value<'a>> {
        let offset = call.span.start;
        if call.callee.is_specific_id("require") {
            let module = self.arguments(&call.arguments, scope).into_iter().next()?;
            return Some(self.import(&module, offset));
        }
        let (module, function) = match &call.callee {
            Expression::Identifier(name) => match self.evaluate(&call.callee, scope) {
                Value::Import(module, function) => (module.to_string(), function.to_string()),
                Value::Function(..) => return None,
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
                Value::Path(path) => Some(Value::path(&paths::join(path, ".."), offset)),
                other => Some(Value::Unknown(other.why(offset))),
            },
            ("url", "fileURLToPath") | ("Object", "freeze" | "seal") | ("Promise", "resolve") => {
                arguments().into_iter().next()
            }
            ("process", "cwd") => Some(Value::path("", offset)),
            ("global", "Boolean") => {
                let value = arguments().into_iter().next()?;
                Some(value.truthy().map_or_else(|| Value::Unknown(value.why(offset)), Value::Bool))
            }
            ("Object", "assign") => {
                let arguments = arguments();
                let (target, sources) = arguments.split_first()?;
                let Value::Object(id) = target else { return None };
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
                Value::Import(module, _) => module.to_string(),
                _ => String::new(),
            };
        }
        String::new()
    }
}

fn path_of<'a>(arguments: &[Value<'a>], resolve: bool, offset: u32) -> Value<'a> {
    let mut base = resolve.then(String::new);
    let mut text = String::new();
    for argument in arguments {
        match argument {
            Value::Path(path) => base = Some(path.to_string()),
            Value::Text(part) if resolve && part.starts_with('/') => return argument.clone(),
            Value::Text(part) => {
                base = base.map(|base| paths::join(&base, part));
                text = format!("{text}/{}", &**part);
            }
            other => return Value::Unknown(other.why(offset)),
        }
        // A longer one is refused here already, as every part may be long.
        if let too_long @ Value::Unknown(_) = Value::text(base.as_deref().unwrap_or(&text), offset) {
            return too_long;
        }
    }
    match base {
        Some(base) => Value::path(&base, offset),
        None => Value::text(text.trim_start_matches('/'), offset),
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

/// Why an assignment in a loop is not followed.
pub(super) fn loop_why(offset: u32) -> Why {
    Why::new("it is set in a loop", offset)
}
