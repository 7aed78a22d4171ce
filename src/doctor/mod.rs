//! What would make a build fail: repository, machine, credentials and CI, each finding with one action.
//!
//! In: the results of the other stages. Out: [`DoctorFinding`]s in the order in which a build would meet the problems. `probe` asks the
//! daemon and the registries, `checks` judges the answers; nothing here changes anything, or decides what a build does.

mod checks;
mod finding;
mod probe;
#[cfg(test)]
mod tests;

pub use checks::{CiState, RegistryState, TokenState, check_ci, check_credentials, check_machine, check_repository};
pub use finding::{DoctorFinding, DoctorResult, FindingArea, FindingLevel, exit_code};
pub use probe::{probe_machine, probe_registries, registries_of};
