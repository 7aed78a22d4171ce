//! An IAM user for CI systems that only support keys: one user, one policy for one repository, one access key.
//!
//! In: a client for IAM and a [`UserRequest`]. Out: [`ProvisionedUser`] with its key, which AWS shows only once. Users that this program did
//! not create are never changed, and what a failed run created is removed again.

use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{AccessKey, Tag, User};
use backon::{ConstantBuilder, Retryable as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::address::{PrivateRepository, RepositoryAddress};
use super::error::{AwsCall, EcrError};
use super::policy::{Permissions, push_policy};
use super::spec::PlannedCall;
use crate::diagnostic::Warning;
use crate::secret::Secret;

/// Tag of the users that this program created.
const MANAGED: (&str, &str) = ("nextdeploy:managed", "true");
const REPOSITORY_TAG: &str = "nextdeploy:repository";
/// Maximum number of keys per user (IAM user guide, "IAM and AWS STS quotas").
const KEY_LIMIT: usize = 2;

/// The requested user.
#[derive(Debug, Clone)]
pub struct UserRequest<'a> {
    pub name: &'a UserName,
    pub repository: &'a PrivateRepository,
    pub permissions: Permissions<'a>,
    pub freshness: Freshness,
}

/// What happens to an existing user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It gets the policy and another key.
    Keep,
    /// It is removed with its keys, policies, groups and password, and created again.
    Remake,
}

/// 1 to 64 letters, digits and `+=,.@_-` (IAM API reference, `CreateUser`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserName(String);

/// The user with its new key.
#[derive(Debug, Clone)]
pub struct ProvisionedUser {
    pub name: String,
    pub arn: String,
    pub status: UserStatus,
    pub policy: String,
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    Created,
    Existed,
    Remade,
}

impl UserName {
    pub fn parse(text: &str) -> Result<Self, EcrError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(EcrError::UserName { name: text.to_owned() }) }
    }

    /// `nextdeploy-acme-shop` for the repository `acme/shop`.
    pub fn for_repository(repository: &PrivateRepository) -> Result<Self, EcrError> {
        Self::parse(&format!("nextdeploy-{}", repository.name.as_str().replace('/', "-")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// See [`EcrService::provision_user`](super::EcrService::provision_user).
pub(super) async fn provision_user(client: &Client, request: &UserRequest<'_>) -> Result<ProvisionedUser, EcrError> {
    let provision = Provision::new(client, request);
    let existing = provision.find().await?;
    let (user, status, warnings) = match (existing, request.freshness) {
        (Some(_), Freshness::Remake) => {
            provision.remove().await?;
            (provision.create().await?, UserStatus::Remade, Vec::new())
        }
        (Some(user), Freshness::Keep) => {
            let keys = provision.keys().await?;
            if keys.len() >= KEY_LIMIT {
                return Err(EcrError::KeyLimit { user: user.user_name, keys });
            }
            (user, UserStatus::Existed, older_keys(request.name, &keys))
        }
        (None, _) => (provision.create().await?, UserStatus::Created, Vec::new()),
    };
    match provision.equip().await {
        Ok(key) => Ok(provision.outcome(&user, status, key, warnings)),
        Err(error) if status == UserStatus::Existed => Err(error),
        Err(error) => Err(provision.undone(error).await),
    }
}

/// See [`EcrService::withdraw`](super::EcrService::withdraw).
pub(super) async fn withdraw(
    client: &Client,
    request: &UserRequest<'_>,
    made: &ProvisionedUser,
) -> Result<(), EcrError> {
    let provision = Provision::new(client, request);
    provision.delete_key(&made.access_key_id).await.map_err(|source| EcrError::Unfinished {
        user: made.name.clone(),
        left: vec![format!("the access key `{}`", made.access_key_id)],
        source: Box::new(source),
    })?;
    if made.status == UserStatus::Existed { Ok(()) } else { provision.delete_new_user().await }
}

struct Provision<'a> {
    client: &'a Client,
    request: &'a UserRequest<'a>,
    /// ARN of the user, for messages; its account is assumed until IAM has returned it.
    arn: String,
    policy: String,
}

impl<'a> Provision<'a> {
    fn new(client: &'a Client, request: &'a UserRequest<'a>) -> Self {
        Self { client, request, arn: user_arn(request), policy: policy_name(request.repository) }
    }

    fn name(&self) -> &str {
        self.request.name.as_str()
    }

    fn call(&self, action: &'static str) -> AwsCall<'_> {
        AwsCall { action, resource: &self.arn }
    }

    /// The user, if it exists and was created by this program.
    async fn find(&self) -> Result<Option<User>, EcrError> {
        let user = match self.client.get_user().user_name(self.name()).send().await {
            Ok(output) => output.user.ok_or_else(|| self.call("iam:GetUser").incomplete("user"))?,
            Err(error) => match self.call("iam:GetUser").failed(error) {
                error if error.has_code("NoSuchEntity") => return Ok(None),
                error => return Err(error),
            },
        };
        let ours = user.tags().iter().any(|tag| (tag.key(), tag.value()) == MANAGED);
        if ours { Ok(Some(user)) } else { Err(EcrError::ForeignUser { user: self.name().to_owned() }) }
    }

    async fn create(&self) -> Result<User, EcrError> {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().expect("key and value are set");
        let call = self.call("iam:CreateUser");
        let create = || async {
            let request = self.client.create_user().user_name(self.name()).tags(tag(MANAGED.0, MANAGED.1));
            let output = request.tags(tag(REPOSITORY_TAG, &self.request.repository.arn())).send().await;
            output.map_err(|error| call.failed(error))?.user.ok_or_else(|| call.incomplete("user"))
        };
        create.retry(settling()).when(|error: &EcrError| error.has_code("EntityTemporarilyUnmodifiable")).await
    }

    async fn keys(&self) -> Result<Vec<String>, EcrError> {
        let pages = self.client.list_access_keys().user_name(self.name()).into_paginator().items().send();
        let keys = pages.collect::<Result<Vec<_>, _>>().await;
        let keys = keys.map_err(|error| self.call("iam:ListAccessKeys").failed(error))?;
        Ok(keys.into_iter().filter_map(|key| key.access_key_id).collect())
    }

    /// Removes the user with its keys, policies, groups and password. Groups and attached policies themselves are kept.
    ///
    /// # Errors
    /// Whatever IAM denies; what was removed until then stays removed. IAM refuses to delete a user with certificates or devices, which
    /// this program never adds.
    async fn remove(&self) -> Result<(), EcrError> {
        for key in self.keys().await? {
            self.delete_key(&key).await?;
        }
        let user = self.name();
        let pages = self.client.list_user_policies().user_name(user).into_paginator().items().send();
        let names = pages.collect::<Result<Vec<_>, _>>().await;
        for name in names.map_err(|error| self.call("iam:ListUserPolicies").failed(error))? {
            let deletion = self.client.delete_user_policy().user_name(user).policy_name(name);
            deletion.send().await.map_err(|error| self.call("iam:DeleteUserPolicy").failed(error))?;
        }
        let pages = self.client.list_attached_user_policies().user_name(user).into_paginator().items().send();
        let policies = pages.collect::<Result<Vec<_>, _>>().await;
        for policy in policies.map_err(|error| self.call("iam:ListAttachedUserPolicies").failed(error))? {
            let detachment = self.client.detach_user_policy().user_name(user).set_policy_arn(policy.policy_arn);
            detachment.send().await.map_err(|error| self.call("iam:DetachUserPolicy").failed(error))?;
        }
        let pages = self.client.list_groups_for_user().user_name(user).into_paginator().items().send();
        let groups = pages.collect::<Result<Vec<_>, _>>().await;
        for group in groups.map_err(|error| self.call("iam:ListGroupsForUser").failed(error))? {
            let removal = self.client.remove_user_from_group().user_name(user).group_name(group.group_name);
            removal.send().await.map_err(|error| self.call("iam:RemoveUserFromGroup").failed(error))?;
        }
        if let Err(error) = self.client.delete_login_profile().user_name(user).send().await {
            let error = self.call("iam:DeleteLoginProfile").failed(error);
            if !error.has_code("NoSuchEntity") {
                return Err(error);
            }
        }
        let deletion = self.client.delete_user().user_name(user).send().await;
        deletion.map(|_| ()).map_err(|error| self.call("iam:DeleteUser").failed(error))
    }

    /// Adds policy and key. IAM is eventually consistent: a new user may be missing at first.
    async fn equip(&self) -> Result<AccessKey, EcrError> {
        let is_settling = |error: &EcrError| error.has_code("NoSuchEntity") || error.has_code("ConcurrentModification");
        let put = || self.put_policy();
        put.retry(settling()).when(is_settling).await?;
        let create = || self.create_key();
        create.retry(settling()).when(is_settling).await
    }

    async fn put_policy(&self) -> Result<(), EcrError> {
        let request = self.client.put_user_policy().user_name(self.name()).policy_name(&self.policy);
        let output = request.policy_document(document(self.request).to_string()).send().await;
        output.map(|_| ()).map_err(|error| self.call("iam:PutUserPolicy").failed(error))
    }

    async fn create_key(&self) -> Result<AccessKey, EcrError> {
        let call = self.call("iam:CreateAccessKey");
        let output = self.client.create_access_key().user_name(self.name()).send().await;
        output.map_err(|error| call.failed(error))?.access_key.ok_or_else(|| call.incomplete("access key"))
    }

    /// The error, after the user that this run created is removed again; with what is left, if that fails as well.
    async fn undone(&self, error: EcrError) -> EcrError {
        match self.delete_new_user().await {
            Ok(()) => error,
            Err(EcrError::Unfinished { user, left, .. }) => {
                EcrError::Unfinished { user, left, source: Box::new(error) }
            }
            Err(other) => other,
        }
    }

    /// Removes a user that has nothing but this program's policy.
    async fn delete_new_user(&self) -> Result<(), EcrError> {
        let unfinished = |left: Vec<String>, source| EcrError::Unfinished {
            user: self.name().to_owned(),
            left,
            source: Box::new(source),
        };
        let user = format!("the user `{}`", self.name());
        let policy = format!("its policy `{}`", self.policy);
        let removal = self.client.delete_user_policy().user_name(self.name()).policy_name(&self.policy).send().await;
        if let Err(error) = removal.map_err(|error| self.call("iam:DeleteUserPolicy").failed(error))
            && !error.has_code("NoSuchEntity")
        {
            return Err(unfinished(vec![user, policy], error));
        }
        let deletion = self.client.delete_user().user_name(self.name()).send().await;
        deletion.map(|_| ()).map_err(|error| unfinished(vec![user], self.call("iam:DeleteUser").failed(error)))
    }

    async fn delete_key(&self, id: &str) -> Result<(), EcrError> {
        let deletion = self.client.delete_access_key().user_name(self.name()).access_key_id(id).send().await;
        deletion.map(|_| ()).map_err(|error| self.call("iam:DeleteAccessKey").failed(error))
    }

    fn outcome(&self, user: &User, status: UserStatus, key: AccessKey, mut warnings: Vec<Warning>) -> ProvisionedUser {
        warnings.extend(other_account(user.arn(), self.request.repository));
        ProvisionedUser {
            name: user.user_name().to_owned(),
            arn: user.arn().to_owned(),
            status,
            policy: self.policy.clone(),
            access_key_id: key.access_key_id,
            secret_access_key: Secret::new(key.secret_access_key),
            warnings,
        }
    }
}

fn settling() -> ConstantBuilder {
    ConstantBuilder::default().with_delay(Duration::from_secs(1)).with_max_times(5)
}

fn user_arn(request: &UserRequest<'_>) -> String {
    let PrivateRepository { account, .. } = request.repository;
    format!("arn:{}:iam::{account}:user/{}", request.repository.partition(), request.name.as_str())
}

fn document(request: &UserRequest<'_>) -> serde_json::Value {
    let address = RepositoryAddress::Private(request.repository.clone());
    push_policy(&address, &request.repository.account, request.permissions)
}

/// One name per repository, so that a user can have several policies; repository names may be longer than policy names.
fn policy_name(repository: &PrivateRepository) -> String {
    let digest = Sha256::digest(repository.arn());
    let short = digest.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("nextdeploy-ecr-push-{short:012x}")
}

fn older_keys(user: &UserName, keys: &[String]) -> Vec<Warning> {
    let user = user.as_str();
    keys.iter()
        .map(|key| {
            Warning::new("ecr/older-key", format!("the older access key `{key}` of `{user}` remains valid")).with_hint(
                format!(
                    "when it is no longer used: `aws iam delete-access-key --user-name {user} --access-key-id {key}`"
                ),
            )
        })
        .collect()
}

/// The policy of a user only applies in its own account.
fn other_account(user_arn: &str, repository: &PrivateRepository) -> Option<Warning> {
    let account = user_arn.split(':').nth(4).filter(|account| !account.is_empty() && *account != repository.account)?;
    let message = format!(
        "the user is in account {account} and the repository in account {}: the policy of the user is not sufficient for a push",
        repository.account
    );
    let hint = "also allow it in the policy of the repository (docs/ecr.md, \"Another account\")";
    Some(Warning::new("ecr/other-account", message).with_hint(hint))
}

/// The calls to AWS, in order.
pub fn planned_user_calls(request: &UserRequest<'_>) -> Vec<PlannedCall> {
    let user = request.name.as_str();
    let resource = user_arn(request);
    let call = |action, request, only_when| PlannedCall { action, resource: resource.clone(), request, only_when };
    let of_user = json!({ "UserName": user });
    let mut calls = vec![call("iam:GetUser", of_user.clone(), None)];
    if request.freshness == Freshness::Remake {
        calls.push(call(
            "iam:DeleteUser",
            of_user.clone(),
            Some("the user exists, after its keys, policies, groups and password"),
        ));
    } else {
        calls.push(call("iam:ListAccessKeys", of_user.clone(), Some("the user exists")));
    }
    let tags = json!([
        { "Key": MANAGED.0, "Value": MANAGED.1 },
        { "Key": REPOSITORY_TAG, "Value": request.repository.arn() },
    ]);
    let policy = json!({
        "UserName": user,
        "PolicyName": policy_name(request.repository),
        "PolicyDocument": document(request),
    });
    let missing = (request.freshness == Freshness::Keep).then_some("the user is missing");
    calls.push(call("iam:CreateUser", json!({ "UserName": user, "Tags": tags }), missing));
    calls.push(call("iam:PutUserPolicy", policy, None));
    calls.push(call("iam:CreateAccessKey", of_user, None));
    calls
}
