//! Values of the static evaluation: what an expression is known to be, and why not where it is not.

use std::rc::Rc;

use oxc_ast::ast::{ArrowFunctionExpression, Function};

/// More alternatives than this are as good as unknown.
const MAX_OPTIONS: usize = 16;

/// Place in the heap of objects, so that aliases see each other's changes.
pub(super) type ObjectId = usize;
pub(super) type ScopeId = usize;

/// Why a value is not known, and the byte offset of the expression that makes it so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Why {
    pub reason: Rc<str>,
    pub offset: u32,
}

impl Why {
    pub fn new(reason: impl Into<Rc<str>>, offset: u32) -> Self {
        Self { reason: reason.into(), offset }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum FunctionNode<'a> {
    Arrow(&'a ArrowFunctionExpression<'a>),
    Function(&'a Function<'a>),
}

#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Rc<str>),
    /// An absolute path at build time, relative to the app's folder (`__dirname`).
    Path(Rc<str>),
    List(Rc<Vec<Value<'a>>>),
    Object(ObjectId),
    Function(FunctionNode<'a>, ScopeId),
    /// `process` and `process.env`.
    Process,
    Env,
    /// Something that another module exports: the module and the name, `*` for all of it.
    Import(Rc<str>, Rc<str>),
    /// One of several, depending on what is not known.
    OneOf(Rc<Vec<Value<'a>>>, Why),
    Unknown(Why),
}

impl<'a> Value<'a> {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub fn unknown(reason: impl Into<Rc<str>>, offset: u32) -> Self {
        Self::Unknown(Why::new(reason, offset))
    }

    /// All alternatives as one value; the same value twice is one.
    pub fn one_of(options: impl IntoIterator<Item = Value<'a>>, why: &Why) -> Self {
        let mut flat: Vec<Value<'a>> = Vec::new();
        for option in options {
            let parts = match &option {
                Self::OneOf(parts, _) => parts.as_slice(),
                _ => std::slice::from_ref(&option),
            };
            for part in parts {
                if let Self::Unknown(_) = part {
                    return part.clone();
                }
                if !flat.iter().any(|known| known.same(part)) {
                    flat.push(part.clone());
                }
            }
        }
        match flat.len() {
            0 => Self::Undefined,
            1 => flat.remove(0),
            count if count > MAX_OPTIONS => Self::Unknown(why.clone()),
            _ => Self::OneOf(Rc::new(flat), why.clone()),
        }
    }

    /// Strict equality of what is known; objects are the same by identity.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undefined, Self::Undefined) | (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b).is_eq(),
            (Self::Text(a), Self::Text(b)) | (Self::Path(a), Self::Path(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            _ => false,
        }
    }

    /// True and false as JavaScript sees them; `None` when it is not known.
    pub fn truthy(&self) -> Option<bool> {
        match self {
            Self::Undefined | Self::Null => Some(false),
            Self::Bool(value) => Some(*value),
            Self::Number(value) => Some(*value != 0.0 && !value.is_nan()),
            Self::Text(text) => Some(!text.is_empty()),
            Self::Path(_) | Self::List(_) | Self::Object(_) | Self::Function(..) | Self::Process | Self::Env => {
                Some(true)
            }
            Self::OneOf(options, _) => {
                let first = options.first()?.truthy()?;
                options.iter().all(|option| option.truthy() == Some(first)).then_some(first)
            }
            Self::Import(..) | Self::Unknown(_) => None,
        }
    }

    pub fn is_nullish(&self) -> Option<bool> {
        match self {
            Self::Undefined | Self::Null => Some(true),
            Self::OneOf(options, _) => {
                let first = options.first()?.is_nullish()?;
                options.iter().all(|option| option.is_nullish() == Some(first)).then_some(first)
            }
            Self::Import(..) | Self::Unknown(_) => None,
            _ => Some(false),
        }
    }

    /// Why this is not one known value.
    pub fn why(&self, offset: u32) -> Why {
        match self {
            Self::Unknown(why) | Self::OneOf(_, why) => why.clone(),
            Self::Import(module, _) => Why::new(format!("it comes from `{module}`"), offset),
            _ => Why::new("it is computed", offset),
        }
    }

    /// For messages: `"export"`, `unset`, `an object`.
    pub fn describe(&self) -> String {
        match self {
            Self::Undefined | Self::Null => "unset".to_owned(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Number(value) => format!("`{value}`"),
            Self::Text(text) => format!("`{text}`"),
            Self::Path(_) => "a path".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) | Self::Process | Self::Env => "an object".to_owned(),
            Self::Function(..) => "a function".to_owned(),
            Self::OneOf(options, _) => options.iter().map(Self::describe).collect::<Vec<_>>().join(" or "),
            Self::Import(..) | Self::Unknown(_) => "unknown".to_owned(),
        }
    }
}

/// An object: properties in order, and whether it may have others or other values.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a> {
    pub properties: Vec<(Rc<str>, Value<'a>)>,
    /// Something unknown was merged into it.
    pub open: Option<Why>,
}

impl<'a> Object<'a> {
    pub fn get(&self, name: &str) -> Value<'a> {
        let own = self.properties.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone());
        own.or_else(|| self.open.clone().map(Value::Unknown)).unwrap_or(Value::Undefined)
    }

    pub fn set(&mut self, name: &str, value: Value<'a>) {
        match self.properties.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, known)) => *known = value,
            None => self.properties.push((name.into(), value)),
        }
    }

    /// Anything may have been set or overwritten.
    pub fn spoil(&mut self, why: &Why) {
        for (_, value) in &mut self.properties {
            *value = Value::Unknown(why.clone());
        }
        self.open = Some(why.clone());
    }
}
