//! No CI, or one that is not known: text.

use super::dialect::Dialect;

pub(super) struct Plain;

impl Dialect for Plain {}
