//! Values of the static evaluation: what an expression is known to be, or why it is unknown.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::rc::Rc;

use oxc_ast::ast::{ArrowFunctionExpression, Function};

/// More alternatives than this count as unknown.
const MAX_OPTIONS: usize = 16;
/// Longest text or path, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// Longest list.
const MAX_LIST: usize = 4096;
/// Longest explanation, in characters, since it quotes names of the file.
const MAX_REASON: usize = 300;

/// Index into the heap of objects, so that aliases see each other's changes.
pub(super) type ObjectId = usize;
pub(super) type ScopeId = usize;

/// Why a value is not known, and the byte offset of the expression that makes it so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UnknownReason {
    pub reason: Rc<str>,
    pub offset: u32,
}

impl UnknownReason {
    pub fn new(reason: impl Into<Rc<str>>, offset: u32) -> Self {
        let reason = reason.into();
        match reason.char_indices().nth(MAX_REASON) {
            Some((end, _)) => Self { reason: format!("{}…", &reason[..end]).into(), offset },
            None => Self { reason, offset },
        }
    }
}

/// A text of bounded length; only [`JsValue::text`] and [`JsValue::path`] create one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoundedText(Rc<str>);

impl Deref for BoundedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A list of bounded length; only [`ListBuilder`] creates one.
#[derive(Debug, Clone)]
pub(super) struct BoundedList<'a>(Rc<Vec<JsValue<'a>>>);

impl<'a> Deref for BoundedList<'a> {
    type Target = [JsValue<'a>];

    fn deref(&self) -> &[JsValue<'a>] {
        &self.0
    }
}

/// The elements of a list or the arguments of a call, up to a limit.
#[derive(Debug, Default)]
pub(super) struct ListBuilder<'a> {
    values: Vec<JsValue<'a>>,
    full: bool,
}

impl<'a> ListBuilder<'a> {
    pub fn push(&mut self, value: JsValue<'a>) {
        self.full |= self.values.len() >= MAX_LIST;
        if !self.full {
            self.values.push(value);
        }
    }

    pub fn extend(&mut self, values: &[JsValue<'a>]) {
        self.full |= self.values.len() + values.len() > MAX_LIST;
        if !self.full {
            self.values.extend_from_slice(values);
        }
    }

    /// `None` if there were too many.
    pub fn finish(self) -> Option<Vec<JsValue<'a>>> {
        (!self.full).then_some(self.values)
    }

    pub fn into_value(self, offset: u32) -> JsValue<'a> {
        self.finish().map_or_else(
            || JsValue::unknown("it is too long", offset),
            |values| JsValue::List(BoundedList(Rc::new(values))),
        )
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum FunctionNode<'a> {
    Arrow(&'a ArrowFunctionExpression<'a>),
    Function(&'a Function<'a>),
}

#[derive(Debug, Clone)]
pub(super) enum JsValue<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(BoundedText),
    /// An absolute path at build time, relative to the app's folder (`__dirname`).
    Path(BoundedText),
    List(BoundedList<'a>),
    Object(ObjectId),
    Function(FunctionNode<'a>, ScopeId),
    /// `process` and `process.env`.
    Process,
    Env,
    /// An export of another module: the module and the name, `*` for all of it.
    Import(Rc<str>, Rc<str>),
    /// One of several values, depending on something unknown.
    OneOf(Rc<Vec<JsValue<'a>>>, UnknownReason),
    Unknown(UnknownReason),
}

impl<'a> JsValue<'a> {
    pub fn text(text: &str, offset: u32) -> Self {
        Self::of_text(text, offset, Self::Text)
    }

    pub fn path(path: &str, offset: u32) -> Self {
        Self::of_text(path, offset, Self::Path)
    }

    fn of_text(text: &str, offset: u32, make: impl Fn(BoundedText) -> Self) -> Self {
        if text.len() > MAX_TEXT { Self::unknown("it is too long", offset) } else { make(BoundedText(text.into())) }
    }

    /// Approximate size in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Path(text) => text.len(),
            Self::List(values) => size_of::<Self>() * values.len(),
            Self::OneOf(values, _) => size_of::<Self>() * values.len(),
            _ => 0,
        }
    }

    pub fn unknown(reason: impl Into<Rc<str>>, offset: u32) -> Self {
        Self::Unknown(UnknownReason::new(reason, offset))
    }

    /// All alternatives as one value, without duplicates.
    pub fn one_of(options: impl IntoIterator<Item = JsValue<'a>>, why: &UnknownReason) -> Self {
        let mut flat: Vec<JsValue<'a>> = Vec::new();
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
                if flat.len() > MAX_OPTIONS {
                    return Self::Unknown(why.clone());
                }
            }
        }
        match flat.len() {
            0 => Self::Undefined,
            1 => flat.remove(0),
            _ => Self::OneOf(Rc::new(flat), why.clone()),
        }
    }

    /// Strict equality of known values; objects are compared by identity.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undefined, Self::Undefined) | (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b).is_eq(),
            (Self::Text(a), Self::Text(b)) | (Self::Path(a), Self::Path(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Import(module, name), Self::Import(other, other_name)) => (module, name) == (other, other_name),
            _ => false,
        }
    }

    /// Truthiness in JavaScript; `None` if unknown.
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
    pub fn why(&self, offset: u32) -> UnknownReason {
        match self {
            Self::Unknown(why) | Self::OneOf(_, why) => why.clone(),
            Self::Import(module, _) => UnknownReason::new(format!("it comes from `{module}`"), offset),
            _ => UnknownReason::new("it is computed", offset),
        }
    }

    /// For messages: `"export"`, `unset`, `an object`.
    pub fn describe(&self) -> String {
        match self {
            Self::Undefined | Self::Null => "unset".to_owned(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Number(value) => format!("`{value}`"),
            Self::Text(text) => format!("`{}`", &**text),
            Self::Path(_) => "a path".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) | Self::Process | Self::Env => "an object".to_owned(),
            Self::Function(..) => "a function".to_owned(),
            Self::OneOf(options, _) => {
                let mut parts: Vec<String> = options.iter().map(Self::describe).collect();
                let mut seen = HashSet::new();
                parts.retain(|part| seen.insert(part.clone()));
                parts.join(" or ")
            }
            Self::Import(..) | Self::Unknown(_) => "unknown".to_owned(),
        }
    }
}

/// An object: its properties in order, and whether unknown ones may exist.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a> {
    properties: Vec<(Rc<str>, JsValue<'a>)>,
    places: HashMap<Rc<str>, usize>,
    /// Something unknown was merged into it.
    pub open: Option<UnknownReason>,
}

impl<'a> Object<'a> {
    pub fn own(&self, name: &str) -> Option<&JsValue<'a>> {
        self.places.get(name).map(|at| &self.properties[*at].1)
    }

    pub fn get(&self, name: &str) -> JsValue<'a> {
        let own = self.own(name).cloned();
        own.or_else(|| self.open.clone().map(JsValue::Unknown)).unwrap_or(JsValue::Undefined)
    }

    pub fn set(&mut self, name: &str, value: JsValue<'a>) {
        if let Some(at) = self.places.get(name) {
            self.properties[*at].1 = value;
            return;
        }
        let name: Rc<str> = name.into();
        self.places.insert(Rc::clone(&name), self.properties.len());
        self.properties.push((name, value));
    }

    pub fn names(&self) -> impl Iterator<Item = &Rc<str>> {
        self.properties.iter().map(|(name, _)| name)
    }

    pub fn len(&self) -> usize {
        self.properties.len()
    }

    /// The object without some of its properties.
    pub fn without(self, taken: impl Fn(&str) -> bool) -> Self {
        let mut rest = Self { open: self.open, ..Self::default() };
        let kept = self.properties.into_iter().filter(|(name, _)| !taken(name));
        kept.for_each(|(name, value)| rest.set(&name, value));
        rest
    }

    /// Sets every property of `source`.
    pub fn overlay(&mut self, source: &Self) {
        if let Some(why) = &source.open {
            self.spoil(why);
        }
        source.properties.iter().for_each(|(name, value)| self.set(name, value.clone()));
    }

    /// Makes every property unknown: anything may have been set.
    pub fn spoil(&mut self, why: &UnknownReason) {
        for (_, value) in &mut self.properties {
            *value = JsValue::Unknown(why.clone());
        }
        self.open = Some(why.clone());
    }
}
