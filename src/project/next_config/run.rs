//! Statements and functions of `next.config`, which are followed as a production build would run them.

use std::collections::HashMap;
use std::rc::Rc;

use oxc_ast::ast::{
    ArrowFunctionBody, AssignmentExpression, AssignmentOperator, AssignmentTarget, BindingPattern, Declaration,
    ExportDefaultDeclarationKind, Expression, FormalParameters, Function, IfStatement, ImportDeclaration,
    ImportDeclarationSpecifier, MemberExpression, Program, Statement, SwitchStatement, TryStatement,
    VariableDeclaration, VariableDeclarationKind,
};
use oxc_span::GetSpan;

use super::evaluate::{Evaluator, VariableScope, phase};
use super::value::{FunctionNode, JsValue, ListBuilder, Object, ScopeId, UnknownReason};

/// Control flow after a statement.
enum Flow<'a> {
    Next,
    Return(JsValue<'a>),
    Break,
    Throw,
}

impl<'a> Evaluator<'a, '_> {
    /// Runs the whole file.
    pub fn run_program(&mut self, program: &'a Program<'a>) {
        self.run(&program.body, 0);
    }

    /// What a function returns.
    pub fn run_function(&mut self, statements: &'a [Statement<'a>], scope: ScopeId) -> JsValue<'a> {
        let outer = std::mem::take(&mut self.possible_returns);
        let flow = self.run(statements, scope);
        let possible = std::mem::replace(&mut self.possible_returns, outer);
        let last = match flow {
            Flow::Return(value) => Some(value),
            Flow::Throw => None,
            Flow::Next | Flow::Break => Some(JsValue::Undefined),
        };
        match possible.first() {
            None => last.unwrap_or(JsValue::Undefined),
            Some((_, why)) => {
                let why = why.clone();
                JsValue::one_of(possible.into_iter().map(|(value, _)| value).chain(last), &why)
            }
        }
    }

    fn run(&mut self, statements: &'a [Statement<'a>], scope: ScopeId) -> Flow<'a> {
        for statement in statements {
            if let Some(function) = declared_function(statement) {
                self.declare_function(function, scope);
            }
        }
        for statement in statements {
            let flow = self.run_one(statement, scope);
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::Next
    }

    fn run_one(&mut self, statement: &'a Statement<'a>, scope: ScopeId) -> Flow<'a> {
        if !self.enter() {
            return Flow::Throw;
        }
        let flow = self.run_inner(statement, scope);
        self.leave();
        flow
    }

    fn run_inner(&mut self, statement: &'a Statement<'a>, scope: ScopeId) -> Flow<'a> {
        match statement {
            Statement::VariableDeclaration(declaration) => self.variables(declaration, scope),
            Statement::ExpressionStatement(statement) => {
                self.evaluate(&statement.expression, scope);
            }
            Statement::ImportDeclaration(import) => self.import_names(import, scope),
            Statement::ExportDefaultDeclaration(export) => {
                self.exported = Some(match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                        JsValue::Function(FunctionNode::Function(function), scope)
                    }
                    other => match other.as_expression() {
                        Some(expression) => self.evaluate(expression, scope),
                        None => JsValue::unknown("it is not a configuration", export.span.start),
                    },
                });
            }
            Statement::ExportDeclaration(export) => {
                if let Declaration::VariableDeclaration(declaration) = &export.declaration {
                    self.variables(declaration, scope);
                }
            }
            Statement::ExportNamedDeclaration(export) => {
                for specifier in export.specifiers.iter().filter(|specifier| specifier.exported.name() == "default") {
                    self.exported = Some(self.lookup(&specifier.local.name(), scope, specifier.span.start));
                }
            }
            Statement::ExportFromDeclaration(export)
                if export.specifiers.iter().any(|specifier| specifier.exported.name() == "default") =>
            {
                self.exported = Some(JsValue::Import(export.source.value.as_str().into(), "default".into()));
            }
            Statement::TSExportAssignment(export) => self.exported = Some(self.evaluate(&export.expression, scope)),
            Statement::BlockStatement(block) => return self.block(&block.body, scope),
            Statement::IfStatement(statement) => return self.branch(statement, scope),
            Statement::SwitchStatement(statement) => return self.switch(statement, scope),
            Statement::TryStatement(statement) => return self.attempt(statement, scope),
            Statement::ReturnStatement(statement) => {
                let value = statement.argument.as_ref().map(|argument| self.evaluate(argument, scope));
                return Flow::Return(value.unwrap_or(JsValue::Undefined));
            }
            Statement::ThrowStatement(_) => return Flow::Throw,
            Statement::BreakStatement(_) | Statement::ContinueStatement(_) => return Flow::Break,
            Statement::ForStatement(statement) => self.repeat(&statement.body, scope, statement.span.start),
            Statement::ForInStatement(statement) => self.repeat(&statement.body, scope, statement.span.start),
            Statement::ForOfStatement(statement) => self.repeat(&statement.body, scope, statement.span.start),
            Statement::WhileStatement(statement) => self.repeat(&statement.body, scope, statement.span.start),
            Statement::DoWhileStatement(statement) => self.repeat(&statement.body, scope, statement.span.start),
            Statement::LabeledStatement(statement) => return self.run_one(&statement.body, scope),
            _ => {}
        }
        Flow::Next
    }

    fn block(&mut self, statements: &'a [Statement<'a>], scope: ScopeId) -> Flow<'a> {
        self.scopes.push(VariableScope { parent: Some(scope), ..VariableScope::default() });
        let inner = self.scopes.len() - 1;
        self.run(statements, inner)
    }

    /// Runs code that may not be reached.
    fn perhaps(&mut self, why: &UnknownReason, run: impl FnOnce(&mut Self) -> Flow<'a>) -> Flow<'a> {
        let outer = self.uncertain.replace(why.clone());
        let flow = run(self);
        self.uncertain = outer;
        flow
    }

    fn may_return(&mut self, flow: Flow<'a>, why: &UnknownReason) {
        if let Flow::Return(value) = flow {
            self.possible_returns.push((value, why.clone()));
        }
    }

    fn branch(&mut self, statement: &'a IfStatement<'a>, scope: ScopeId) -> Flow<'a> {
        let test = self.evaluate(&statement.test, scope);
        let otherwise = |this: &mut Self| match &statement.alternate {
            Some(alternate) => this.run_one(alternate, scope),
            None => Flow::Next,
        };
        match test.truthy() {
            Some(true) => return self.run_one(&statement.consequent, scope),
            Some(false) => return otherwise(self),
            None => {}
        }
        let why = test.why(statement.test.span().start);
        let taken = self.perhaps(&why, |this| this.run_one(&statement.consequent, scope));
        let other = self.perhaps(&why, otherwise);
        match (taken, other) {
            (Flow::Return(a), Flow::Return(b)) => Flow::Return(JsValue::one_of([a, b], &why)),
            (Flow::Throw, flow) | (flow, Flow::Throw) => flow,
            (Flow::Break, _) | (_, Flow::Break) => Flow::Next,
            (taken, other) => {
                self.may_return(taken, &why);
                self.may_return(other, &why);
                Flow::Next
            }
        }
    }

    fn switch(&mut self, statement: &'a SwitchStatement<'a>, scope: ScopeId) -> Flow<'a> {
        let value = self.evaluate(&statement.discriminant, scope);
        let why = value.why(statement.span.start);
        if value.truthy().is_none() || matches!(value, JsValue::OneOf(..)) {
            for case in &statement.cases {
                let flow = self.perhaps(&why, |this| this.block(&case.consequent, scope));
                self.may_return(flow, &why);
            }
            return Flow::Next;
        }
        let matches = |this: &mut Self, test: &'a Expression<'a>| this.evaluate(test, scope).same(&value);
        let mut chosen = None;
        for (at, case) in statement.cases.iter().enumerate() {
            if case.test.as_ref().is_some_and(|test| matches(self, test)) {
                chosen = Some(at);
                break;
            }
        }
        let default = || statement.cases.iter().position(|case| case.test.is_none());
        let Some(first) = chosen.or_else(default) else { return Flow::Next };
        for case in &statement.cases[first..] {
            match self.block(&case.consequent, scope) {
                Flow::Next => {}
                Flow::Break => return Flow::Next,
                flow => return flow,
            }
        }
        Flow::Next
    }

    /// Any statement in a `try` may be skipped after an error.
    fn attempt(&mut self, statement: &'a TryStatement<'a>, scope: ScopeId) -> Flow<'a> {
        let why = UnknownReason::new("an error may prevent it", statement.span.start);
        let flow = self.perhaps(&why, |this| this.block(&statement.block.body, scope));
        if let Some(handler) = &statement.handler {
            let caught = self.perhaps(&why, |this| this.block(&handler.body.body, scope));
            self.may_return(caught, &why);
        }
        if let Some(last) = &statement.finalizer {
            self.block(&last.body, scope);
        }
        if matches!(flow, Flow::Throw) { Flow::Next } else { flow }
    }

    fn repeat(&mut self, body: &'a Statement<'a>, scope: ScopeId, offset: u32) {
        let outer = std::mem::replace(&mut self.looping, true);
        let why = loop_why(offset);
        let flow = self.perhaps(&why, |this| this.run_one(body, scope));
        self.may_return(flow, &why);
        self.looping = outer;
    }

    fn variables(&mut self, declaration: &'a VariableDeclaration<'a>, scope: ScopeId) {
        let scope = if declaration.kind == VariableDeclarationKind::Var { self.function_scope(scope) } else { scope };
        for declarator in &declaration.declarations {
            let value = declarator.init.as_ref().map_or(JsValue::Undefined, |init| self.evaluate(init, scope));
            self.bind(&declarator.id, value, scope);
        }
    }

    fn function_scope(&self, mut scope: ScopeId) -> ScopeId {
        while let (false, Some(parent)) = (self.scopes[scope].is_function, self.scopes[scope].parent) {
            scope = parent;
        }
        scope
    }

    fn declare_function(&mut self, function: &'a Function<'a>, scope: ScopeId) {
        if let Some(name) = &function.id {
            self.declare(&name.name, JsValue::Function(FunctionNode::Function(function), scope), scope);
        }
    }

    pub fn declare(&mut self, name: &str, value: JsValue<'a>, scope: ScopeId) {
        self.scopes[scope].names.insert(name.into(), value);
    }

    fn import_names(&mut self, import: &'a ImportDeclaration<'a>, scope: ScopeId) {
        let module: Rc<str> = import.source.value.as_str().into();
        for specifier in import.specifiers.iter().flatten() {
            let (local, name) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(named) => (&named.local, named.imported.name().to_string()),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(default) => (&default.local, "default".to_owned()),
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(all) => (&all.local, "*".to_owned()),
            };
            let value = match (&*module, name.as_str()) {
                ("next/constants", name) if name.starts_with("PHASE_") => phase(name, import.span.start),
                ("process" | "node:process", "default" | "*") => JsValue::Process,
                ("process" | "node:process", "env") => JsValue::Env,
                _ => JsValue::Import(Rc::clone(&module), name.into()),
            };
            self.declare(&local.name, value, scope);
        }
    }

    /// `name = value`, `object.a.b = value`, `module.exports = value`.
    pub fn assign(&mut self, assignment: &'a AssignmentExpression<'a>, scope: ScopeId) -> JsValue<'a> {
        let offset = assignment.span.start;
        let right = self.evaluate(&assignment.right, scope);
        let value = match assignment.operator {
            AssignmentOperator::Assign => right,
            _ => JsValue::unknown("it is computed", offset),
        };
        match &assignment.left {
            AssignmentTarget::AssignmentTargetIdentifier(name) => self.assign_name(&name.name, value.clone(), scope),
            other => match other.as_member_expression() {
                Some(member) => self.assign_member(member, value.clone(), scope),
                None => self.assign_pattern(other, scope, offset),
            },
        }
        value
    }

    fn assign_name(&mut self, name: &str, value: JsValue<'a>, scope: ScopeId) {
        let mut current = Some(scope);
        while let Some(id) = current {
            if let Some(before) = self.scopes[id].names.get(name) {
                let value = self.as_assigned(before, value);
                self.declare(name, value, id);
                return;
            }
            current = self.scopes[id].parent;
        }
    }

    /// Destructuring into existing names is rare: all names become unknown.
    fn assign_pattern(&mut self, target: &'a AssignmentTarget<'a>, scope: ScopeId, offset: u32) {
        let span = target.span();
        let mut current = Some(scope);
        while let Some(id) = current {
            if !self.spend_properties(self.scopes[id].names.len()) {
                return;
            }
            for value in self.scopes[id].names.values_mut() {
                *value = JsValue::unknown("it may be set by a destructuring assignment", offset.max(span.start));
            }
            current = self.scopes[id].parent;
        }
    }

    fn assign_member(&mut self, member: &'a MemberExpression<'a>, value: JsValue<'a>, scope: ScopeId) {
        let offset = member.span().start;
        let is_module = member.object().is_specific_id("module");
        if is_module && member.static_property_name().is_some_and(|name| name == "exports") {
            let before = self.exported.clone().unwrap_or(JsValue::Undefined);
            self.exported = Some(self.as_assigned(&before, value));
            return;
        }
        let object = if member.object().is_specific_id("exports") {
            self.exports()
        } else {
            self.evaluate(member.object(), scope)
        };
        let key = match member {
            MemberExpression::StaticMemberExpression(member) => Ok(Rc::from(member.property.name.as_str())),
            MemberExpression::ComputedMemberExpression(member) => match self.evaluate(&member.expression, scope) {
                JsValue::Text(text) => Ok((&*text).into()),
                other => Err(other.why(offset)),
            },
            MemberExpression::PrivateFieldExpression(_) => return,
        };
        let (targets, several) = match &object {
            JsValue::OneOf(options, why) => (options.to_vec(), Some(why.clone())),
            one => (vec![one.clone()], None),
        };
        for target in targets {
            let JsValue::Object(id) = target else { continue };
            match &key {
                Err(why) => {
                    if self.spend_properties(self.heap[id].len()) {
                        self.object_mut(id).spoil(why);
                    }
                }
                Ok(key) => {
                    let before = self.heap[id].get(key);
                    let mut assigned = self.as_assigned(&before, value.clone());
                    if let Some(why) = &several {
                        assigned = JsValue::one_of([before, assigned], why);
                    }
                    self.object_mut(id).set(key, assigned);
                }
            }
        }
    }

    /// The value after an assignment that may not happen or is repeated.
    fn as_assigned(&self, before: &JsValue<'a>, value: JsValue<'a>) -> JsValue<'a> {
        match &self.uncertain {
            // `for (const plugin of plugins) config = plugin(config)`
            Some(_) if before.same(&value) => value,
            Some(why) if self.looping => JsValue::Unknown(why.clone()),
            Some(why) => JsValue::one_of([before.clone(), value], why),
            None => value,
        }
    }
}

fn declared_function<'a>(statement: &'a Statement<'a>) -> Option<&'a Function<'a>> {
    match statement {
        Statement::FunctionDeclaration(function) => Some(function),
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::FunctionDeclaration(function) => Some(function),
            _ => None,
        },
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => Some(function),
            _ => None,
        },
        _ => None,
    }
}

impl<'a> Evaluator<'a, '_> {
    /// Runs a function of this file.
    pub fn call(
        &mut self,
        function: FunctionNode<'a>,
        defined_in: ScopeId,
        arguments: Vec<JsValue<'a>>,
        offset: u32,
    ) -> JsValue<'a> {
        if !self.enter() {
            return JsValue::unknown("it is too complicated to follow", offset);
        }
        self.scopes.push(VariableScope { names: HashMap::new(), parent: Some(defined_in), is_function: true });
        let scope = self.scopes.len() - 1;
        let value = match function {
            FunctionNode::Arrow(arrow) => {
                self.bind_parameters(&arrow.params, arguments, scope);
                match &arrow.body {
                    ArrowFunctionBody::FunctionBody(body) => self.run_function(&body.statements, scope),
                    other => match other.as_expression() {
                        Some(expression) => self.evaluate(expression, scope),
                        None => JsValue::Undefined,
                    },
                }
            }
            FunctionNode::Function(function) if function.generator => JsValue::unknown("it is a generator", offset),
            FunctionNode::Function(function) => {
                self.bind_parameters(&function.params, arguments, scope);
                function.body.as_ref().map_or(JsValue::Undefined, |body| self.run_function(&body.statements, scope))
            }
        };
        self.leave();
        value
    }

    fn bind_parameters(&mut self, parameters: &'a FormalParameters<'a>, arguments: Vec<JsValue<'a>>, scope: ScopeId) {
        let mut arguments = arguments.into_iter();
        for parameter in &parameters.items {
            let mut value = arguments.next().unwrap_or(JsValue::Undefined);
            if let (JsValue::Undefined, Some(default)) = (&value, &parameter.initializer) {
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
    pub fn bind(&mut self, pattern: &'a BindingPattern<'a>, value: JsValue<'a>, scope: ScopeId) {
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
                        Err(why) => JsValue::Unknown(why),
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
                    // Compares every name with every taken one.
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
                        JsValue::List(values) => values.get(at).cloned().unwrap_or(JsValue::Undefined),
                        other => JsValue::Unknown(other.why(offset)),
                    };
                    if let Some(element) = element {
                        self.bind(element, part, scope);
                    }
                }
            }
            BindingPattern::AssignmentPattern(assignment) => {
                let value = match value {
                    JsValue::Undefined => self.evaluate(&assignment.right, scope),
                    value if value.truthy().is_none() => {
                        let default = self.evaluate(&assignment.right, scope);
                        JsValue::one_of([value.clone(), default], &value.why(offset))
                    }
                    value => value,
                };
                self.bind(&assignment.left, value, scope);
            }
        }
        self.leave();
    }
}

/// Why an assignment in a loop is not followed.
pub(super) fn loop_why(offset: u32) -> UnknownReason {
    UnknownReason::new("it is set in a loop", offset)
}
