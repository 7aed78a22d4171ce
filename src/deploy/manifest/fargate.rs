//! The sizes that Fargate tasks come in (Amazon ECS developer guide, «Task CPU and memory», Linux).

use super::error::ManifestError;

/// Units of processor (1024 are one), and MiB of memory: first, last, step.
const SIZES: &[(u32, u64, u64, u64)] = &[
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// The smallest task with at least this much of both.
pub(super) fn size(units: u32, mebibytes: u64) -> Result<(u32, u64), ManifestError> {
    let fits = SIZES.iter().filter(|(cpu, _, last, _)| *cpu >= units && *last >= mebibytes);
    let found = fits.min_by_key(|(cpu, first, ..)| (*cpu, *first)).map(|(cpu, first, _, step)| {
        let above = mebibytes.saturating_sub(*first).div_ceil(*step);
        (*cpu, first + above * step)
    });
    found.ok_or_else(|| ManifestError::TooLarge {
        wanted: format!("{} processors and {mebibytes} MiB", f64::from(units) / 1024.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_the_sizes_of_the_guide() {
        for (wanted, found) in [
            ((0, 0), (256, 512)),
            ((256, 513), (256, 1024)),
            ((256, 2048), (256, 2048)),
            ((256, 2049), (512, 3072)),
            ((300, 100), (512, 1024)),
            ((1024, 8192), (1024, 8192)),
            ((4096, 30721), (8192, 32768)),
            ((16384, 122_880), (16384, 122_880)),
        ] {
            assert_eq!(size(wanted.0, wanted.1), Ok(found), "{wanted:?}");
        }
        assert!(size(16385, 512).is_err() && size(256, 122_881).is_err());
    }
}
