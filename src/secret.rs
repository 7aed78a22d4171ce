//! Values that must never be shown: Debug and Display redact, there is no Serialize, and [`redact`] takes them out of every text.
//!
//! A value is known to the redactor of the process from the moment in which it becomes a [`Secret`]: a place that reads a credential
//! cannot forget to say so. Everything that leaves the process as text passes [`redact`] before it is cut, escaped or encoded.

mod forms;
mod redactor;
mod shapes;
mod view;

use std::borrow::Cow;
use std::fmt;

pub use redactor::Redactor;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[secret]";

/// A secret value; read it only where it is handed to its one receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T = String>(T);

impl<T: AsRef<[u8]>> Secret<T> {
    /// The value is taken out of every text from here on.
    pub fn new(value: T) -> Self {
        hide(value.as_ref());
        Self(value)
    }
}

impl<T> Secret<T> {
    /// A value that holds secrets among things that may be shown: its parts are [`Secret`]s already.
    pub fn compound(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// A text without the secrets that this process knows.
pub fn redact(text: &str) -> Cow<'_, str> {
    Redactor::of_process().redact(text)
}

/// Bytes without the secrets that this process knows; what is no UTF-8 stays as it is.
pub fn redact_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return match redact(text) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(redacted) => Cow::Owned(redacted.into_bytes()),
        };
    }
    let mut redacted = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        redacted.extend_from_slice(redact(chunk.valid()).as_bytes());
        redacted.extend_from_slice(chunk.invalid());
    }
    Cow::Owned(redacted)
}

/// Hides a value that this process only passes on.
pub fn hide(value: &[u8]) {
    // Unit tests share a process, and the value of one must not change the output of another.
    if !cfg!(test) {
        Redactor::of_process().add(value);
    }
}

/// Hides the password of `url` from here on, where it has one.
pub fn hide_password(url: &str) {
    if let Some(password) = forms::url_password(url) {
        hide(password.as_bytes());
        hide(forms::percent_decoded(password).as_bytes());
    }
}

/// A document without the secrets that this process knows: only strings change, so its structure stays.
pub fn redact_json(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Cow::Owned(redacted) = redact(text) {
                *text = redacted;
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(redact_json),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(redact_json),
        _ => {}
    }
}
