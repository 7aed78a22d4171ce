//! What a refusal means at this registry, and the one thing to do.

/// What a refusal means and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Stable identifier, `registry/denied`.
    pub code: &'static str,
    /// Continues the sentence "… was refused: …"; one line.
    pub meaning: String,
    /// One concrete action.
    pub action: String,
}
