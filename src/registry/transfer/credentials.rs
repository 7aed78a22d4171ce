//! The door through which a transfer gets its credentials, right before they are needed.

use crate::registry::{Access, AuthError, Authenticator, Credentials, RegistryHost};

/// Who gives the credentials of a transfer.
pub trait CredentialSource: Sync {
    /// The credentials for a registry; nobody known is [`Login::Anonymous`](crate::registry::Login::Anonymous).
    fn credentials(
        &self,
        host: &RegistryHost,
        access: Access,
    ) -> impl Future<Output = Result<Credentials, AuthError>> + Send;

    /// Fresh credentials after the registry refused those from before; `None` when there can be no others.
    fn renew(
        &self,
        host: &RegistryHost,
        access: Access,
    ) -> impl Future<Output = Result<Option<Credentials>, AuthError>> + Send;
}

impl CredentialSource for Authenticator {
    async fn credentials(&self, host: &RegistryHost, access: Access) -> Result<Credentials, AuthError> {
        self.credentials(host, access).await
    }

    async fn renew(&self, host: &RegistryHost, access: Access) -> Result<Option<Credentials>, AuthError> {
        self.renew(host, access).await
    }
}
