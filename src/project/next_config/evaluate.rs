//! Expressions of `next.config` as [`JsValue`]s, the way a production build would compute them.
//!
//! Follows what is written in the file; anything from outside (other modules, the environment, the clock) is unknown,
//! with the reason. Never runs code: steps, depth and sizes are bounded.

use std::collections::HashMap;
use std::rc::Rc;

use oxc_ast::ast::{
    ArrayExpression, ArrayExpressionElement, BinaryExpression, BinaryOperator, ChainElement, Expression,
    LogicalExpression, LogicalOperator, MemberExpression, ObjectExpression, ObjectPropertyKind, PropertyKey,
    TemplateLiteral, UnaryOperator,
};
use oxc_span::GetSpan;

use super::Surroundings;
use super::value::{FunctionNode, JsValue, ListBuilder, Object, ObjectId, ScopeId, UnknownReason};

const MAX_STEPS: u32 = 50_000;
const MAX_DEPTH: u32 = 400;
/// Bytes of all created values, and of all copied or overwritten properties.
const MAX_SIZE: usize = 32 * 1024 * 1024;
/// Cost of copying one property, in bytes.
const PROPERTY: usize = 64;

/// Names of one block or function.
#[derive(Debug, Default)]
pub(super) struct VariableScope<'a> {
    pub names: HashMap<Rc<str>, JsValue<'a>>,
    pub parent: Option<ScopeId>,
    /// Holds what `var` declares.
    pub is_function: bool,
}

/// What is being computed.
pub(super) struct Evaluator<'a, 'f> {
    pub heap: Vec<Object<'a>>,
    pub scopes: Vec<VariableScope<'a>>,
    pub surroundings: Surroundings<'f>,
    /// What `module.exports` or `export default` is.
    pub exported: Option<JsValue<'a>>,
    /// Set inside a branch that may not be taken: assignments add alternatives.
    pub uncertain: Option<UnknownReason>,
    /// Inside a loop: assigned values are unknown.
    pub looping: bool,
    /// Inside a property: a call of an unknown function does not wrap the configuration.
    pub in_property: u32,
    /// Values that the current function may have returned already.
    pub possible_returns: Vec<(JsValue<'a>, UnknownReason)>,
    budget: EvaluationBudget,
}

/// Resources that the evaluation has used.
#[derive(Debug, Default)]
struct EvaluationBudget {
    steps: u32,
    depth: u32,
    size: usize,
    exceeded: bool,
}

impl<'a, 'f> Evaluator<'a, 'f> {
    pub fn new(surroundings: Surroundings<'f>) -> Self {
        Self {
            heap: Vec::new(),
            scopes: vec![VariableScope::default()],
            surroundings,
            exported: None,
            uncertain: None,
            looping: false,
            in_property: 0,
            possible_returns: Vec::new(),
            budget: EvaluationBudget::default(),
        }
    }

    pub fn allocate(&mut self, object: Object<'a>) -> JsValue<'a> {
        self.heap.push(object);
        JsValue::Object(self.heap.len() - 1)
    }

    /// Counts a step and a level; false when a limit is exceeded.
    pub fn enter(&mut self) -> bool {
        let budget = &mut self.budget;
        budget.steps += 1;
        budget.exceeded |= budget.steps >= MAX_STEPS || budget.depth >= MAX_DEPTH;
        budget.depth += u32::from(!budget.exceeded);
        !budget.exceeded
    }

    /// Counts `size` bytes; false when the limit is exceeded.
    fn spend(&mut self, size: usize) -> bool {
        self.budget.size = self.budget.size.saturating_add(size);
        self.budget.exceeded |= self.budget.size > MAX_SIZE;
        !self.budget.exceeded
    }

    /// Counts `count` copied or overwritten properties or names; false when the limit is exceeded.
    pub fn spend_properties(&mut self, count: usize) -> bool {
        self.spend(count.saturating_mul(PROPERTY))
    }

    /// True when a limit was exceeded, so that no result is reliable.
    pub fn exceeded(&self) -> bool {
        self.budget.exceeded
    }

    pub fn leave(&mut self) {
        self.budget.depth -= 1;
    }

    pub fn evaluate(&mut self, expression: &'a Expression<'a>, scope: ScopeId) -> JsValue<'a> {
        let offset = expression.span().start;
        if !self.enter() {
            return JsValue::unknown("it is too complicated to follow", offset);
        }
        let value = self.evaluate_inner(expression, scope, offset);
        self.leave();
        if self.spend(value.size()) { value } else { JsValue::unknown("it is too complicated to follow", offset) }
    }

    fn evaluate_inner(&mut self, expression: &'a Expression<'a>, scope: ScopeId, offset: u32) -> JsValue<'a> {
        match expression {
            Expression::BooleanLiteral(literal) => JsValue::Bool(literal.value),
            Expression::NullLiteral(_) => JsValue::Null,
            Expression::NumericLiteral(literal) => JsValue::Number(literal.value),
            Expression::StringLiteral(literal) => JsValue::text(&literal.value, offset),
            Expression::TemplateLiteral(template) => self.template(template, scope, offset),
            Expression::Identifier(name) => self.lookup(&name.name, scope, offset),
            Expression::ObjectExpression(object) => self.object(object, scope),
            Expression::ArrayExpression(array) => self.array(array, scope, offset),
            Expression::ArrowFunctionExpression(arrow) => JsValue::Function(FunctionNode::Arrow(arrow), scope),
            Expression::FunctionExpression(function) => JsValue::Function(FunctionNode::Function(function), scope),
            Expression::ParenthesizedExpression(inner) => self.evaluate(&inner.expression, scope),
            Expression::TSAsExpression(inner) => self.evaluate(&inner.expression, scope),
            Expression::TSSatisfiesExpression(inner) => self.evaluate(&inner.expression, scope),
            Expression::TSTypeAssertion(inner) => self.evaluate(&inner.expression, scope),
            Expression::TSNonNullExpression(inner) => self.evaluate(&inner.expression, scope),
            Expression::AwaitExpression(inner) => self.evaluate(&inner.argument, scope),
            Expression::ConditionalExpression(choice) => {
                let test = self.evaluate(&choice.test, scope);
                match test.truthy() {
                    Some(true) => self.evaluate(&choice.consequent, scope),
                    Some(false) => self.evaluate(&choice.alternate, scope),
                    None => {
                        let options =
                            [self.evaluate(&choice.consequent, scope), self.evaluate(&choice.alternate, scope)];
                        JsValue::one_of(options, &test.why(offset))
                    }
                }
            }
            Expression::LogicalExpression(logical) => self.logical(logical, scope, offset),
            Expression::BinaryExpression(binary) => self.binary(binary, scope, offset),
            Expression::UnaryExpression(unary) => {
                let value = self.evaluate(&unary.argument, scope);
                match (unary.operator, value.truthy()) {
                    (UnaryOperator::LogicalNot, Some(truthy)) => JsValue::Bool(!truthy),
                    (UnaryOperator::Void, _) => JsValue::Undefined,
                    _ => JsValue::Unknown(value.why(offset)),
                }
            }
            Expression::SequenceExpression(sequence) => {
                let mut last = JsValue::Undefined;
                for expression in &sequence.expressions {
                    last = self.evaluate(expression, scope);
                }
                last
            }
            Expression::AssignmentExpression(assignment) => self.assign(assignment, scope),
            Expression::CallExpression(call) => self.call_expression(call, scope),
            Expression::NewExpression(new) => self.new_expression(new, scope),
            Expression::ImportExpression(import) => {
                let module = self.evaluate(&import.source, scope);
                self.import(&module, offset)
            }
            Expression::ChainExpression(chain) => match &chain.expression {
                ChainElement::CallExpression(call) => self.call_expression(call, scope),
                ChainElement::TSNonNullExpression(inner) => self.evaluate(&inner.expression, scope),
                other => other.as_member_expression().map_or(JsValue::Undefined, |member| self.member(member, scope)),
            },
            other => match other.as_member_expression() {
                Some(member) => self.member(member, scope),
                None => JsValue::unknown("it is computed", offset),
            },
        }
    }

    /// Importing a relative module that does not exist throws, which configurations catch to make it optional.
    pub fn import(&self, module: &JsValue<'a>, offset: u32) -> JsValue<'a> {
        match module {
            JsValue::Text(name) if name.starts_with('.') && !(self.surroundings.module_exists)(name) => {
                JsValue::Undefined
            }
            JsValue::Text(name) => JsValue::Import((&**name).into(), "*".into()),
            other => JsValue::Unknown(other.why(offset)),
        }
    }

    pub fn lookup(&self, name: &str, scope: ScopeId, offset: u32) -> JsValue<'a> {
        let mut current = Some(scope);
        while let Some(id) = current {
            if let Some(value) = self.scopes[id].names.get(name) {
                return value.clone();
            }
            current = self.scopes[id].parent;
        }
        match name {
            "undefined" => JsValue::Undefined,
            "process" => JsValue::Process,
            "__dirname" => JsValue::path("", offset),
            "__filename" => JsValue::path("next.config", offset),
            _ => JsValue::unknown(format!("`{name}` is not defined in this file"), offset),
        }
    }

    fn template(&mut self, template: &'a TemplateLiteral<'a>, scope: ScopeId, offset: u32) -> JsValue<'a> {
        let mut text = String::new();
        let mut path = None;
        for (at, quasi) in template.quasis.iter().enumerate() {
            text.push_str(quasi.value.cooked.as_ref().unwrap_or(&quasi.value.raw));
            let Some(expression) = template.expressions.get(at) else { continue };
            match self.evaluate(expression, scope) {
                JsValue::Text(part) => text.push_str(&part),
                JsValue::Number(number) => text.push_str(&number.to_string()),
                JsValue::Bool(value) => text.push_str(&value.to_string()),
                JsValue::Path(part) if at == 0 && text.is_empty() => path = Some(part),
                other => return JsValue::Unknown(other.why(offset)),
            }
            // Checked for every part, since each may be long.
            if let too_long @ JsValue::Unknown(_) = JsValue::text(&text, offset) {
                return too_long;
            }
        }
        match path {
            Some(base) => JsValue::path(&join_paths(&base, &format!("./{text}")), offset),
            None => JsValue::text(&text, offset),
        }
    }

    fn logical(&mut self, logical: &'a LogicalExpression<'a>, scope: ScopeId, offset: u32) -> JsValue<'a> {
        let left = self.evaluate(&logical.left, scope);
        let takes_right = match logical.operator {
            LogicalOperator::And => left.truthy(),
            LogicalOperator::Or => left.truthy().map(|truthy| !truthy),
            LogicalOperator::Coalesce => left.is_nullish(),
        };
        match takes_right {
            Some(true) => self.evaluate(&logical.right, scope),
            Some(false) => left,
            None => {
                let why = left.why(offset);
                let right = self.evaluate(&logical.right, scope);
                JsValue::one_of([kept(left, logical.operator), right], &why)
            }
        }
    }

    fn binary(&mut self, binary: &'a BinaryExpression<'a>, scope: ScopeId, offset: u32) -> JsValue<'a> {
        let left = self.evaluate(&binary.left, scope);
        let right = self.evaluate(&binary.right, scope);
        if let JsValue::OneOf(_, why) | JsValue::Unknown(why) = &left {
            return JsValue::Unknown(why.clone());
        }
        if let JsValue::OneOf(_, why) | JsValue::Unknown(why) = &right {
            return JsValue::Unknown(why.clone());
        }
        if let (JsValue::Import(..), _) | (_, JsValue::Import(..)) = (&left, &right) {
            return JsValue::Unknown(left.why(offset));
        }
        match binary.operator {
            BinaryOperator::StrictEquality => JsValue::Bool(left.same(&right)),
            BinaryOperator::StrictInequality => JsValue::Bool(!left.same(&right)),
            BinaryOperator::Equality | BinaryOperator::Inequality => {
                let nullish = left.is_nullish() == Some(true) && right.is_nullish() == Some(true);
                JsValue::Bool((nullish || left.same(&right)) == (binary.operator == BinaryOperator::Equality))
            }
            BinaryOperator::Addition => match (&left, &right) {
                (JsValue::Text(a), JsValue::Text(b)) => JsValue::text(&[&**a, &**b].concat(), offset),
                (JsValue::Path(a), JsValue::Text(b)) => JsValue::path(&join_paths(a, &format!("./{}", &**b)), offset),
                _ => JsValue::unknown("it is computed", offset),
            },
            _ => JsValue::unknown("it is computed", offset),
        }
    }

    fn array(&mut self, array: &'a ArrayExpression<'a>, scope: ScopeId, offset: u32) -> JsValue<'a> {
        let mut values = ListBuilder::default();
        for element in &array.elements {
            match element {
                ArrayExpressionElement::SpreadElement(spread) => match self.evaluate(&spread.argument, scope) {
                    JsValue::List(more) => values.extend(&more),
                    other => return JsValue::Unknown(other.why(offset)),
                },
                ArrayExpressionElement::Elision(_) => values.push(JsValue::Undefined),
                other => {
                    let Some(element) = other.as_expression() else { continue };
                    values.push(self.evaluate(element, scope));
                }
            }
        }
        values.into_value(offset)
    }

    fn object(&mut self, expression: &'a ObjectExpression<'a>, scope: ScopeId) -> JsValue<'a> {
        let mut object = Object::default();
        for property in &expression.properties {
            match property {
                ObjectPropertyKind::SpreadProperty(spread) => {
                    let value = self.evaluate(&spread.argument, scope);
                    self.spread(&mut object, &value, spread.span.start);
                }
                ObjectPropertyKind::ObjectProperty(property) => {
                    let key = self.property_key(&property.key, scope);
                    self.in_property += 1;
                    let value = self.evaluate(&property.value, scope);
                    self.in_property -= 1;
                    match key {
                        Ok(key) => object.set(&key, value),
                        Err(why) if self.spend_properties(object.len()) => object.spoil(&why),
                        Err(_) => {}
                    }
                }
            }
        }
        self.allocate(object)
    }

    pub fn property_key(&mut self, key: &'a PropertyKey<'a>, scope: ScopeId) -> Result<Rc<str>, UnknownReason> {
        if let PropertyKey::StaticIdentifier(name) = key {
            return Ok(name.name.as_str().into());
        }
        let Some(expression) = key.as_expression() else { return Ok("".into()) };
        match self.evaluate(expression, scope) {
            JsValue::Text(text) => Ok((&*text).into()),
            JsValue::Number(number) => Ok(number.to_string().into()),
            other => Err(other.why(expression.span().start)),
        }
    }

    /// `{ ...value }`
    pub fn spread(&mut self, object: &mut Object<'a>, value: &JsValue<'a>, offset: u32) {
        match value {
            JsValue::Object(id) => {
                let spoiled = if self.heap[*id].open.is_some() { object.len() } else { 0 };
                if self.spend_properties(self.heap[*id].len() + spoiled) {
                    object.overlay(&self.heap[*id]);
                }
            }
            JsValue::OneOf(options, why) => {
                if !self.spend_properties(2 * object.len() * options.len()) {
                    return;
                }
                let before = object.clone();
                let mut results = Vec::new();
                for option in options.iter() {
                    let mut result = before.clone();
                    self.spread(&mut result, option, offset);
                    results.push(result);
                }
                *object = merge(&results, why);
            }
            JsValue::Unknown(_) | JsValue::Import(..) | JsValue::Env => {
                let why = match value {
                    JsValue::Import(module, _) => {
                        UnknownReason::new(format!("it may be set by what comes from `{module}`"), offset)
                    }
                    other => other.why(offset),
                };
                if self.spend_properties(object.len()) {
                    object.spoil(&why);
                }
            }
            _ => {}
        }
    }

    pub fn object_mut(&mut self, id: ObjectId) -> &mut Object<'a> {
        &mut self.heap[id]
    }
}

/// The options of the left side for which the right side is not evaluated.
fn kept(left: JsValue<'_>, operator: LogicalOperator) -> JsValue<'_> {
    match (&left, operator) {
        (JsValue::OneOf(options, why), _) => {
            let ends = |option: &&JsValue<'_>| match operator {
                LogicalOperator::And => option.truthy() != Some(true),
                LogicalOperator::Or => option.truthy() != Some(false),
                LogicalOperator::Coalesce => option.is_nullish() != Some(true),
            };
            JsValue::one_of(options.iter().filter(ends).cloned(), why)
        }
        // An unknown condition that is false counts as unset.
        (_, LogicalOperator::And) => JsValue::Undefined,
        _ => left,
    }
}

/// An object after one of several alternatives was merged into it.
fn merge<'a>(results: &[Object<'a>], why: &UnknownReason) -> Object<'a> {
    let mut merged = Object::default();
    for name in results.iter().flat_map(Object::names) {
        if merged.own(name).is_none() {
            merged.set(name, JsValue::one_of(results.iter().map(|result| result.get(name)), why));
        }
    }
    merged.open = results.iter().find_map(|result| result.open.clone());
    merged
}

impl<'a> Evaluator<'a, '_> {
    pub fn member(&mut self, member: &'a MemberExpression<'a>, scope: ScopeId) -> JsValue<'a> {
        let offset = member.span().start;
        if let Expression::ImportMeta(_) = member.object() {
            return import_meta(member.static_property_name().unwrap_or_default(), offset);
        }
        let name = match member {
            MemberExpression::StaticMemberExpression(member) => Ok(Rc::from(member.property.name.as_str())),
            MemberExpression::ComputedMemberExpression(member) => match self.evaluate(&member.expression, scope) {
                JsValue::Text(text) => Ok((&*text).into()),
                other => Err(other.why(offset)),
            },
            MemberExpression::PrivateFieldExpression(_) => Err(UnknownReason::new("it is computed", offset)),
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
            Err(why) => JsValue::Unknown(why),
        }
    }

    /// `module.exports`, which is initially an empty object.
    pub fn exports(&mut self) -> JsValue<'a> {
        if self.exported.is_none() {
            self.exported = Some(self.allocate(Object::default()));
        }
        self.exported.clone().unwrap_or(JsValue::Undefined)
    }

    /// The property of a value.
    pub fn get(&self, value: &JsValue<'a>, name: &str, offset: u32) -> JsValue<'a> {
        match value {
            JsValue::Object(id) => self.heap[*id].get(name),
            JsValue::OneOf(options, why) => {
                JsValue::one_of(options.iter().map(|option| self.get(option, name, offset)), why)
            }
            JsValue::Unknown(why) => JsValue::Unknown(why.clone()),
            JsValue::Process if name == "env" => JsValue::Env,
            // `next build` sets it before it reads the configuration.
            JsValue::Env if name == "NODE_ENV" => JsValue::text("production", offset),
            JsValue::Env => match self.surroundings.variables.get(name) {
                Some(value) => JsValue::text(value, offset),
                None => JsValue::unknown(format!("it depends on the environment variable `{name}`"), offset),
            },
            JsValue::Import(module, _) if &**module == "next/constants" => phase(name, offset),
            JsValue::Import(module, _) => JsValue::Import(Rc::clone(module), name.into()),
            JsValue::Undefined | JsValue::Null => JsValue::Undefined,
            _ => JsValue::unknown("it is computed", offset),
        }
    }
}

/// The phases that `next/constants` names; a build runs in `phase-production-build`.
pub(super) fn phase<'a>(name: &str, offset: u32) -> JsValue<'a> {
    match name.strip_prefix("PHASE_") {
        Some(phase) => JsValue::text(&format!("phase-{}", phase.to_ascii_lowercase().replace('_', "-")), offset),
        None => JsValue::Import("next/constants".into(), name.into()),
    }
}

fn import_meta<'a>(name: &str, offset: u32) -> JsValue<'a> {
    match name {
        "dirname" => JsValue::path("", offset),
        "url" | "filename" => JsValue::path("next.config", offset),
        _ => JsValue::unknown("it is computed", offset),
    }
}

/// `base` and then `rest`, normalised: paths are relative to the app's folder, which is the empty text, and may lead above it by `..`.
pub(super) fn join_paths(base: &str, rest: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins() {
        assert_eq!(join_paths("", "../../"), "../..");
        assert_eq!(join_paths("next.config", ".."), "");
        assert_eq!(join_paths("a/b", "./../c"), "a/c");
        assert_eq!(join_paths("..", ".."), "../..");
    }
}
