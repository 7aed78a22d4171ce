//! Removes one IAM user with everything that IAM wants to be removed first: keys, policies, groups, password, devices.
//!
//! Whether the user may be removed is decided before ([`super::user`]). What is shared with others (groups, attached policies)
//! is only left by the user, never deleted.

use aws_sdk_iam::Client;

use super::error::{Call, EcrError};
use super::user::UserName;

struct Removal<'a> {
    client: &'a Client,
    user: &'a str,
    arn: &'a str,
}

/// Removes the user `name`.
///
/// # Errors
/// What IAM refuses; what was removed until then stays removed.
pub(super) async fn remove_user(client: &Client, name: &UserName, arn: &str) -> Result<(), EcrError> {
    let removal = Removal { client, user: name.as_str(), arn };
    removal.access_keys().await?;
    removal.inline_policies().await?;
    removal.attached_policies().await?;
    removal.groups().await?;
    removal.login_profile().await?;
    match removal.user().await {
        // Rare things, which need rights of their own to look at.
        Err(error) if error.has_code("DeleteConflict") => {
            removal.signing_certificates().await?;
            removal.ssh_keys().await?;
            removal.service_credentials().await?;
            removal.devices().await?;
            removal.user().await
        }
        result => result,
    }
}

impl Removal<'_> {
    fn call(&self, action: &'static str) -> Call<'_> {
        Call { action, resource: self.arn }
    }

    async fn access_keys(&self) -> Result<(), EcrError> {
        let pages = self.client.list_access_keys().user_name(self.user).into_paginator().items().send();
        let keys = pages.collect::<Result<Vec<_>, _>>().await;
        for key in keys.map_err(|error| self.call("iam:ListAccessKeys").failed(error))? {
            let deletion = self.client.delete_access_key().user_name(self.user).set_access_key_id(key.access_key_id);
            deletion.send().await.map_err(|error| self.call("iam:DeleteAccessKey").failed(error))?;
        }
        Ok(())
    }

    async fn inline_policies(&self) -> Result<(), EcrError> {
        let pages = self.client.list_user_policies().user_name(self.user).into_paginator().items().send();
        let names = pages.collect::<Result<Vec<_>, _>>().await;
        for name in names.map_err(|error| self.call("iam:ListUserPolicies").failed(error))? {
            let deletion = self.client.delete_user_policy().user_name(self.user).policy_name(name);
            deletion.send().await.map_err(|error| self.call("iam:DeleteUserPolicy").failed(error))?;
        }
        Ok(())
    }

    async fn attached_policies(&self) -> Result<(), EcrError> {
        let pages = self.client.list_attached_user_policies().user_name(self.user).into_paginator().items().send();
        let policies = pages.collect::<Result<Vec<_>, _>>().await;
        for policy in policies.map_err(|error| self.call("iam:ListAttachedUserPolicies").failed(error))? {
            let detachment = self.client.detach_user_policy().user_name(self.user).set_policy_arn(policy.policy_arn);
            detachment.send().await.map_err(|error| self.call("iam:DetachUserPolicy").failed(error))?;
        }
        Ok(())
    }

    async fn groups(&self) -> Result<(), EcrError> {
        let pages = self.client.list_groups_for_user().user_name(self.user).into_paginator().items().send();
        let groups = pages.collect::<Result<Vec<_>, _>>().await;
        for group in groups.map_err(|error| self.call("iam:ListGroupsForUser").failed(error))? {
            let leave = self.client.remove_user_from_group().user_name(self.user).group_name(group.group_name);
            leave.send().await.map_err(|error| self.call("iam:RemoveUserFromGroup").failed(error))?;
        }
        Ok(())
    }

    async fn login_profile(&self) -> Result<(), EcrError> {
        match self.client.delete_login_profile().user_name(self.user).send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.call("iam:DeleteLoginProfile").failed(error) {
                error if error.has_code("NoSuchEntity") => Ok(()),
                error => Err(error),
            },
        }
    }

    async fn signing_certificates(&self) -> Result<(), EcrError> {
        let pages = self.client.list_signing_certificates().user_name(self.user).into_paginator().items().send();
        let certificates = pages.collect::<Result<Vec<_>, _>>().await;
        for certificate in certificates.map_err(|error| self.call("iam:ListSigningCertificates").failed(error))? {
            let deletion = self.client.delete_signing_certificate().user_name(self.user);
            let deletion = deletion.certificate_id(certificate.certificate_id).send().await;
            deletion.map_err(|error| self.call("iam:DeleteSigningCertificate").failed(error))?;
        }
        Ok(())
    }

    async fn ssh_keys(&self) -> Result<(), EcrError> {
        let pages = self.client.list_ssh_public_keys().user_name(self.user).into_paginator().items().send();
        let keys = pages.collect::<Result<Vec<_>, _>>().await;
        for key in keys.map_err(|error| self.call("iam:ListSSHPublicKeys").failed(error))? {
            let deletion = self.client.delete_ssh_public_key().user_name(self.user);
            let deletion = deletion.ssh_public_key_id(key.ssh_public_key_id).send().await;
            deletion.map_err(|error| self.call("iam:DeleteSSHPublicKey").failed(error))?;
        }
        Ok(())
    }

    async fn service_credentials(&self) -> Result<(), EcrError> {
        let answer = self.client.list_service_specific_credentials().user_name(self.user).send().await;
        let answer = answer.map_err(|error| self.call("iam:ListServiceSpecificCredentials").failed(error))?;
        for credential in answer.service_specific_credentials() {
            let deletion = self.client.delete_service_specific_credential().user_name(self.user);
            let id = credential.service_specific_credential_id();
            let deletion = deletion.service_specific_credential_id(id).send().await;
            deletion.map_err(|error| self.call("iam:DeleteServiceSpecificCredential").failed(error))?;
        }
        Ok(())
    }

    async fn devices(&self) -> Result<(), EcrError> {
        let pages = self.client.list_mfa_devices().user_name(self.user).into_paginator().items().send();
        let devices = pages.collect::<Result<Vec<_>, _>>().await;
        for device in devices.map_err(|error| self.call("iam:ListMFADevices").failed(error))? {
            let deactivation = self.client.deactivate_mfa_device().user_name(self.user);
            let deactivation = deactivation.serial_number(device.serial_number).send().await;
            deactivation.map_err(|error| self.call("iam:DeactivateMFADevice").failed(error))?;
        }
        Ok(())
    }

    async fn user(&self) -> Result<(), EcrError> {
        let deletion = self.client.delete_user().user_name(self.user).send().await;
        deletion.map(|_| ()).map_err(|error| self.call("iam:DeleteUser").failed(error))
    }
}
