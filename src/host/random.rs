//! Words that nobody outside this process can guess.

use rustix::rand::{GetRandomFlags, getrandom};

/// 32 hexadecimal digits: 128 bits of the kernel's random numbers.
pub fn random_word() -> String {
    let mut bytes = [0; 16];
    // getrandom(2): up to 256 bytes come whole, and fail only on kernels before 3.17 and under filters that forbid the call.
    let count = getrandom(&mut bytes, GetRandomFlags::empty()).expect("the kernel gives random numbers");
    debug_assert_eq!(count, bytes.len());
    format!("{:032x}", u128::from_ne_bytes(bytes))
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
