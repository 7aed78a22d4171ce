//! An IAM user for CI systems that have only keys: one user, one policy for one repository, one access key.
//!
//! In: a client for IAM and a [`UserRequest`]. Out: [`ProvisionedUser`] with its key, which AWS tells only this once. Users that
//! this program did not make are never touched, and what a failed run made is taken back.

use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{AccessKey, Tag, User};
use backon::{ConstantBuilder, Retryable as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::address::{PrivateRepository, RepositoryAddress};
use super::error::{Call, EcrError};
use super::policy::{Permissions, push_policy};
use super::removal::remove_user;
use super::request::PlannedCall;
use crate::diagnostic::Warning;
use crate::secret::Secret;

/// Tag by which this program knows the users that it made.
const MANAGED: (&str, &str) = ("nextdeploy:managed", "true");
const REPOSITORY_TAG: &str = "nextdeploy:repository";
/// Keys that AWS allows a user to have (IAM user guide, "IAM and AWS STS quotas").
const KEY_LIMIT: usize = 2;

/// The user that is wanted.
#[derive(Debug, Clone)]
pub struct UserRequest<'a> {
    pub name: &'a UserName,
    pub repository: &'a PrivateRepository,
    pub permissions: Permissions<'a>,
    pub freshness: Freshness,
}

/// What becomes of a user that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It gets the policy and one more key.
    Keep,
    /// It is removed with everything it has, and made again.
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

/// Makes the user, its policy and a key.
///
/// # Errors
/// When the user is not ours, has two keys already, or AWS refuses something. What this call made is taken back then; what
/// cannot be taken back is named.
pub(super) async fn provision_user(client: &Client, request: &UserRequest<'_>) -> Result<ProvisionedUser, EcrError> {
    let provision = Provision::new(client, request);
    let existing = provision.find().await?;
    let (user, status, warnings) = match (existing, request.freshness) {
        (Some(_), Freshness::Remake) => {
            remove_user(client, request.name, &provision.arn).await?;
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
        Err(error) => Err(provision.taken_back(error).await),
    }
}

/// Takes back what [`provision_user`] made, when the key could not be handed over.
///
/// # Errors
/// When something of it is left, with its name.
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
    /// ARN of the user, for messages: its account is known only when IAM has answered.
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

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { action, resource: &self.arn }
    }

    /// The user, when it is there and ours.
    async fn find(&self) -> Result<Option<User>, EcrError> {
        let user = match self.client.get_user().user_name(self.name()).send().await {
            Ok(answer) => answer.user.ok_or_else(|| self.call("iam:GetUser").incomplete("user"))?,
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
            let answer = request.tags(tag(REPOSITORY_TAG, &self.request.repository.arn())).send().await;
            answer.map_err(|error| call.failed(error))?.user.ok_or_else(|| call.incomplete("user"))
        };
        create.retry(settling()).when(|error: &EcrError| error.has_code("EntityTemporarilyUnmodifiable")).await
    }

    async fn keys(&self) -> Result<Vec<String>, EcrError> {
        let pages = self.client.list_access_keys().user_name(self.name()).into_paginator().items().send();
        let keys = pages.collect::<Result<Vec<_>, _>>().await;
        let keys = keys.map_err(|error| self.call("iam:ListAccessKeys").failed(error))?;
        Ok(keys.into_iter().filter_map(|key| key.access_key_id).collect())
    }

    /// Policy and key. IAM spreads a new user over its servers, and one that has not heard of it says so.
    async fn equip(&self) -> Result<AccessKey, EcrError> {
        let is_settling = |error: &EcrError| error.has_code("NoSuchEntity") || error.has_code("ConcurrentModification");
        let put = || self.put_policy();
        put.retry(settling()).when(is_settling).await?;
        let create = || self.create_key();
        create.retry(settling()).when(is_settling).await
    }

    async fn put_policy(&self) -> Result<(), EcrError> {
        let request = self.client.put_user_policy().user_name(self.name()).policy_name(&self.policy);
        let answer = request.policy_document(document(self.request).to_string()).send().await;
        answer.map(|_| ()).map_err(|error| self.call("iam:PutUserPolicy").failed(error))
    }

    async fn create_key(&self) -> Result<AccessKey, EcrError> {
        let call = self.call("iam:CreateAccessKey");
        let answer = self.client.create_access_key().user_name(self.name()).send().await;
        answer.map_err(|error| call.failed(error))?.access_key.ok_or_else(|| call.incomplete("access key"))
    }

    /// What went wrong, after the user that this run made is removed again; with what is left, when that fails as well.
    async fn taken_back(&self, error: EcrError) -> EcrError {
        match self.delete_new_user().await {
            Ok(()) => error,
            Err(EcrError::Unfinished { user, left, .. }) => {
                EcrError::Unfinished { user, left, source: Box::new(error) }
            }
            Err(other) => other,
        }
    }

    /// Removes a user that has nothing but our policy.
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

/// One name per repository, so that a user can have several; names of repositories are longer than those of policies.
fn policy_name(repository: &PrivateRepository) -> String {
    let digest = Sha256::digest(repository.arn());
    let short = digest.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("nextdeploy-ecr-push-{short:012x}")
}

fn older_keys(user: &UserName, keys: &[String]) -> Vec<Warning> {
    let user = user.as_str();
    keys.iter()
        .map(|key| {
            Warning::new("ecr/older-key", format!("the older access key `{key}` of `{user}` stays valid")).with_hint(
                format!("when nothing uses it: `aws iam delete-access-key --user-name {user} --access-key-id {key}`"),
            )
        })
        .collect()
}

/// The policy of a user counts only in its own account.
fn other_account(user_arn: &str, repository: &PrivateRepository) -> Option<Warning> {
    let account = user_arn.split(':').nth(4).filter(|account| !account.is_empty() && *account != repository.account)?;
    let message = format!(
        "the user is in account {account} and the repository in account {}: its policy alone does not let it push",
        repository.account
    );
    let hint = "allow it in the repository's own policy, too (docs/ecr.md, \"Another account\")";
    Some(Warning::new("ecr/other-account", message).with_hint(hint))
}

/// What would be asked of AWS, in this order.
pub fn planned_user_calls(request: &UserRequest<'_>) -> Vec<PlannedCall> {
    let user = request.name.as_str();
    let resource = user_arn(request);
    let call = |action, request, only_when| PlannedCall { action, resource: resource.clone(), request, only_when };
    let of_user = json!({ "UserName": user });
    let mut calls = vec![call("iam:GetUser", of_user.clone(), None)];
    if request.freshness == Freshness::Remake {
        calls.push(call("iam:DeleteUser", of_user.clone(), Some("the user is there, after everything that it has")));
    } else {
        calls.push(call("iam:ListAccessKeys", of_user.clone(), Some("the user is there")));
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

#[cfg(test)]
mod tests;
