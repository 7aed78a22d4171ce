//! Words that nobody outside this process can guess.

use std::hash::{BuildHasher, RandomState};

/// 32 hexadecimal digits, different at each call. Keyed by the operating system's random numbers; good for delimiters, not for keys.
pub fn random_word() -> String {
    let half = |n: u8| RandomState::new().hash_one(n);
    format!("{:016x}{:016x}", half(0), half(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ() {
        let words: std::collections::BTreeSet<String> = (0..100).map(|_| random_word()).collect();
        assert_eq!(words.len(), 100);
        assert!(words.iter().all(|word| word.len() == 32));
    }
}
