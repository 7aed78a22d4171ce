//! The door through which a transfer gets its credentials, right before they are needed.

use crate::diagnostic::Diagnostic;
use crate::oci::Reference;
use crate::registry::{Access, Credentials};

/// Who gives the credentials of a transfer. Nothing is kept here: the source may remember them.
pub trait CredentialSource: Sync {
    /// The credentials for the repository of `reference`; nobody known is [`Login::Anonymous`](crate::registry::Login::Anonymous).
    fn credentials(
        &self,
        reference: &Reference,
        access: Access,
    ) -> impl Future<Output = Result<Credentials, Box<dyn Diagnostic>>> + Send;

    /// Fresh credentials after the registry refused `refused`; `None` when there can be no others.
    fn renew(
        &self,
        reference: &Reference,
        access: Access,
        refused: &Credentials,
    ) -> impl Future<Output = Result<Option<Credentials>, Box<dyn Diagnostic>>> + Send;
}
