//! Names of environment variables: their grammar, and those that are no settings of an app.

use crate::project::PROCESS_VARIABLES;

/// Always set by the launcher or by this program.
pub(super) const FIXED: [&str; 3] = ["NODE_ENV", "HOSTNAME", "PORT"];

/// Beside [`PROCESS_VARIABLES`], the beginnings of names that decide how processes start.
const OF_PROCESS_PREFIXES: [&str; 5] = ["LD_", "DYLD_", "BASH_FUNC_", "MALLOC_", "NEXTDEPLOY_"];

/// True for a variable that a process has before it reads any file: Next.js would not change it, and an image that sets it might not start.
pub(super) fn is_of_process(name: &str) -> bool {
    PROCESS_VARIABLES.contains(&name) || OF_PROCESS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub(super) fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
