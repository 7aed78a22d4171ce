//! Properties: of objects of the file, of `process.env`, of `module.exports`, of what other modules export.

use std::rc::Rc;

use oxc_ast::ast::{Expression, MemberExpression};
use oxc_span::GetSpan;

use super::evaluate::Evaluator;
use super::value::{Object, ScopeId, Value, Why};

impl<'a> Evaluator<'a, '_> {
    pub fn member(&mut self, member: &'a MemberExpression<'a>, scope: ScopeId) -> Value<'a> {
        let offset = member.span().start;
        if let Expression::ImportMeta(_) = member.object() {
            return import_meta(member.static_property_name().unwrap_or_default(), offset);
        }
        let name = match member {
            MemberExpression::StaticMemberExpression(member) => Ok(Rc::from(member.property.name.as_str())),
            MemberExpression::ComputedMemberExpression(member) => match self.evaluate(&member.expression, scope) {
                Value::Text(text) => Ok((&*text).into()),
                other => Err(other.why(offset)),
            },
            MemberExpression::PrivateFieldExpression(_) => Err(Why::new("it is computed", offset)),
        };
        let is = |object: &str| member.object().is_specific_id(object);
        if let Ok(name) = &name
            && is("module")
            && &**name == "exports"
        {
            return self.exports();
        }
        let object = if is("exports") { self.exports() } else { self.evaluate(member.object(), scope) };
        match name {
            Ok(name) => self.get(&object, &name, offset),
            Err(why) => Value::Unknown(why),
        }
    }

    /// `module.exports`, an object from the beginning.
    pub fn exports(&mut self) -> Value<'a> {
        if self.exported.is_none() {
            self.exported = Some(self.allocate(Object::default()));
        }
        self.exported.clone().unwrap_or(Value::Undefined)
    }

    /// The property of a value.
    pub fn get(&self, value: &Value<'a>, name: &str, offset: u32) -> Value<'a> {
        match value {
            Value::Object(id) => self.heap[*id].get(name),
            Value::OneOf(options, why) => {
                Value::one_of(options.iter().map(|option| self.get(option, name, offset)), why)
            }
            Value::Unknown(why) => Value::Unknown(why.clone()),
            Value::Process if name == "env" => Value::Env,
            // `next build` sets it before it reads the configuration.
            Value::Env if name == "NODE_ENV" => Value::text("production", offset),
            Value::Env => Value::unknown(format!("it depends on the environment variable `{name}`"), offset),
            Value::Import(module, _) if &**module == "next/constants" => phase(name, offset),
            Value::Import(module, _) => Value::Import(Rc::clone(module), name.into()),
            Value::Undefined | Value::Null => Value::Undefined,
            _ => Value::unknown("it is computed", offset),
        }
    }
}

/// The phases that `next/constants` names; a build runs in `phase-production-build`.
pub(super) fn phase<'a>(name: &str, offset: u32) -> Value<'a> {
    match name.strip_prefix("PHASE_") {
        Some(phase) => Value::text(&format!("phase-{}", phase.to_ascii_lowercase().replace('_', "-")), offset),
        None => Value::Import("next/constants".into(), name.into()),
    }
}

fn import_meta<'a>(name: &str, offset: u32) -> Value<'a> {
    match name {
        "dirname" => Value::path("", offset),
        "url" | "filename" => Value::path("next.config", offset),
        _ => Value::unknown("it is computed", offset),
    }
}
