use serde_json::{Value, json};

use super::fake_aws::{AwsRequest, FakeAws};
use super::*;
use crate::config::settings::{EcrSettings, RepositoryEncryption, TagMutability};
use crate::diagnostic::Diagnostic;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};

const SHOP: &str = "012345678901.dkr.ecr.eu-central-1.amazonaws.com/acme/shop";
const NOT_FOUND: &str = "RepositoryNotFoundException";
const EXISTS: &str = "RepositoryAlreadyExistsException";

fn flag<T>(value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Flag("--flag".to_owned()))
}

fn everything() -> EcrSettings {
    EcrSettings {
        tag_mutability: Some(flag(TagMutability::ImmutableExcept(vec!["latest".into(), "dev-*".into()]))),
        scan_on_push: Some(flag(false)),
        encryption: Some(flag(RepositoryEncryption::Kms(Some("arn:aws:kms:eu-central-1:012345678901:key/a".into())))),
        resource_tags: [("team".to_owned(), flag("web".to_owned()))].into(),
        keep_images: Some(flag(30)),
        expire_untagged_days: Some(flag(7)),
    }
}

fn spec(address: &str, settings: EcrSettings) -> RepositorySpec {
    let RepositoryTarget::Full(address) = RepositoryTarget::parse(address).unwrap() else { panic!("{address}") };
    RepositorySpec { address, settings }
}

fn repository(more: &Value) -> String {
    let mut repository = json!({
        "repositoryArn": "arn:aws:ecr:eu-central-1:012345678901:repository/acme/shop",
        "registryId": "012345678901",
        "repositoryName": "acme/shop",
        "repositoryUri": SHOP,
    });
    repository.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    repository.to_string()
}

fn created() -> String {
    format!("{{\"repository\":{}}}", repository(&json!({})))
}

fn described(more: &Value) -> String {
    format!("{{\"repositories\":[{}]}}", repository(more))
}

async fn check(aws: &FakeAws, settings: EcrSettings) -> Result<RepositoryOutcome, EcrError> {
    aws.service().ensure_repository(&spec(SHOP, settings)).await
}

#[tokio::test]
async fn a_missing_repository_is_created_as_the_dry_run_prints() {
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .answers("CreateRepository", 200, created())
        .answers("PutLifecyclePolicy", 200, "{}");
    let outcome = check(&aws, everything()).await.unwrap();
    assert_eq!((outcome.status, outcome.uri.as_str()), (RepositoryStatus::Created, SHOP));
    assert_eq!(outcome.arn, "arn:aws:ecr:eu-central-1:012345678901:repository/acme/shop");
    let sent = aws.requests();
    let planned = spec(SHOP, everything()).planned_calls();
    for (sent, planned) in sent.iter().zip(&planned) {
        assert_eq!(format!("ecr:{}", sent.operation), planned.action);
        assert_eq!(sent.json(), planned.request, "{}", sent.operation);
    }
    insta::assert_json_snapshot!(sent[1..].iter().map(AwsRequest::json).collect::<Vec<_>>());
}

#[tokio::test]
async fn by_default_only_scanning_is_set() {
    let aws =
        FakeAws::default().refuses("DescribeRepositories", NOT_FOUND, "no").answers("CreateRepository", 200, created());
    check(&aws, EcrSettings::default()).await.unwrap();
    let expected = json!({
        "registryId": "012345678901",
        "repositoryName": "acme/shop",
        "imageScanningConfiguration": { "scanOnPush": true },
    });
    assert_eq!(aws.requests()[1].json(), expected);
}

#[tokio::test]
async fn an_existing_repository_is_compared_but_not_changed() {
    let is = json!({
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": { "scanOnPush": false },
        "encryptionConfiguration": { "encryptionType": "AES256" },
    });
    let aws = FakeAws::default()
        .answers("DescribeRepositories", 200, described(&is))
        .refuses("GetLifecyclePolicy", "LifecyclePolicyNotFoundException", "no")
        .answers("ListTagsForResource", 200, json!({ "tags": [{ "Key": "team", "Value": "web" }] }).to_string());
    let outcome = check(&aws, everything()).await.unwrap();
    assert_eq!(outcome.status, RepositoryStatus::Existed);
    let what: Vec<&str> = outcome.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(what.len(), 3, "{what:?}");
    assert!(
        what[0].contains("MUTABLE") && what[1].contains("AES256") && what[2].contains("lifecycle policy"),
        "{what:?}"
    );
    assert_eq!(aws.operations(), ["DescribeRepositories", "GetLifecyclePolicy", "ListTagsForResource"]);
}

#[tokio::test]
async fn a_concurrently_created_repository_is_accepted() {
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .refuses("CreateRepository", EXISTS, "there")
        .answers("DescribeRepositories", 200, described(&json!({})));
    let outcome = check(&aws, EcrSettings::default()).await.unwrap();
    assert_eq!((outcome.status, outcome.warnings), (RepositoryStatus::Existed, vec![]));
    aws.requests();
}

#[tokio::test]
async fn the_permission_to_create_is_sufficient() {
    let aws = FakeAws::default().refuses("DescribeRepositories", "AccessDeniedException", "no").answers(
        "CreateRepository",
        200,
        created(),
    );
    assert_eq!(check(&aws, EcrSettings::default()).await.unwrap().status, RepositoryStatus::Created);
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", "AccessDeniedException", "no")
        .refuses("CreateRepository", EXISTS, "there")
        .refuses("DescribeRepositories", "AccessDeniedException", "no");
    let outcome = check(&aws, EcrSettings::default()).await.unwrap();
    assert_eq!((outcome.status, outcome.warnings[0].code), (RepositoryStatus::Existed, "ecr/not-compared"));
}

#[tokio::test]
async fn a_denial_names_action_and_arn() {
    let message = "User: arn:aws:iam::012345678901:user/ci is not authorized to perform: ecr:CreateRepository on resource: \
                   arn:aws:ecr:eu-central-1:012345678901:repository/acme/shop because no identity-based policy allows it";
    let aws = FakeAws::default().refuses("DescribeRepositories", NOT_FOUND, "no").refuses(
        "CreateRepository",
        "AccessDeniedException",
        message,
    );
    let error = check(&aws, EcrSettings::default()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code() as u8), ("ecr/access-denied", 5));
    let arn = "`arn:aws:ecr:eu-central-1:012345678901:repository/acme/shop`";
    assert!(error.hints()[0].starts_with(&format!("allow `ecr:CreateRepository` on {arn}")), "{:?}", error.hints());
}

#[tokio::test]
async fn a_failed_lifecycle_policy_is_an_error_after_the_creation() {
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .answers("CreateRepository", 200, created())
        .refuses("PutLifecyclePolicy", "AccessDeniedException", "no");
    let error = check(&aws, everything()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code() as u8), ("ecr/lifecycle-not-set", 5));
    assert!(error.to_string().contains("was created"));
    assert!(error.hints()[0].contains("ecr:PutLifecyclePolicy"));
}

#[tokio::test]
async fn other_errors_quote_aws() {
    let aws = FakeAws::default().refuses("DescribeRepositories", NOT_FOUND, "no").refuses(
        "CreateRepository",
        "LimitExceededException",
        "10000 repositories are enough",
    );
    let error = check(&aws, EcrSettings::default()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code() as u8), ("ecr/refused", 6));
    assert!(error.to_string().contains("10000 repositories are enough"));
    let aws = FakeAws::default().refuses("DescribeRepositories", "ExpiredTokenException", "old");
    let error = check(&aws, EcrSettings::default()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code() as u8), ("aws/expired-credentials", 5));
}

#[tokio::test]
async fn a_failed_repository_does_not_stop_the_others() {
    let references: Vec<ImageRef> = [
        format!("{SHOP}:1"),
        format!("{SHOP}:latest"),
        "ghcr.io/acme/shop:1".to_owned(),
        "999999999999.dkr.ecr.eu-west-1.amazonaws.com/other:1".to_owned(),
        "012345678901.dkr.ecr.eu-central-1.amazonaws.com/a__b:1".to_owned(),
    ]
    .iter()
    .map(|text| ImageRef::parse(text).unwrap())
    .collect();
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .refuses("CreateRepository", "LimitExceededException", "enough")
        .answers("DescribeRepositories", 200, described(&json!({})));
    let repositories = push_repositories(&references);
    let results = aws.service().ensure_all(repositories, &EcrSettings::default()).await;
    let seen: Vec<(&str, Option<&str>)> =
        results.iter().map(|one| (one.uri.as_str(), one.result.as_ref().err().map(Diagnostic::code))).collect();
    let expected = [
        (SHOP, Some("ecr/refused")),
        ("999999999999.dkr.ecr.eu-west-1.amazonaws.com/other", None),
        ("012345678901.dkr.ecr.eu-central-1.amazonaws.com/a__b", Some("ecr/repository-name")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(aws.requests()[2].json()["registryId"], "999999999999");
}

fn registries(alias: &str) -> String {
    let alias =
        json!({ "name": alias, "status": "ACTIVE", "primaryRegistryAlias": true, "defaultRegistryAlias": true });
    json!({ "registries": [{ "registryId": "1", "registryArn": "a", "registryUri": "u", "verified": false, "aliases": [alias] }] })
        .to_string()
}

#[tokio::test]
async fn public_repositories_support_only_tags() {
    let arn = "arn:aws:ecr-public::012345678901:repository/shop";
    let aws = FakeAws::default()
        .answers("DescribeRegistries", 200, registries("acme"))
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .answers("CreateRepository", 200, json!({ "repository": { "repositoryArn": arn } }).to_string());
    let spec = spec("public.ecr.aws/acme/shop", everything());
    let outcome = aws.service().ensure_repository(&spec).await.unwrap();
    assert_eq!((outcome.arn.as_str(), outcome.uri.as_str()), (arn, "public.ecr.aws/acme/shop"));
    assert_eq!(outcome.warnings.iter().filter(|warning| warning.code == "ecr/not-in-public").count(), 5);
    let sent = aws.requests();
    for (sent, planned) in sent.iter().zip(spec.planned_calls()) {
        assert_eq!((format!("ecr-public:{}", sent.operation).as_str(), sent.json()), (planned.action, planned.request));
    }
}

#[tokio::test]
async fn a_foreign_alias_is_an_error_before_anything_is_created() {
    let aws = FakeAws::default().answers("DescribeRegistries", 200, registries("a1b2c3d4"));
    let error =
        aws.service().ensure_repository(&spec("public.ecr.aws/acme/shop", EcrSettings::default())).await.unwrap_err();
    assert_eq!(error.code(), "ecr/other-alias");
    assert!(error.to_string().contains("`a1b2c3d4`"), "{error}");
}

const GET_USER: &str = "GetUser";

fn private_repository() -> PrivateRepository {
    PrivateRepository::new("012345678901", "eu-central-1", RepositoryName::parse("acme/shop").unwrap())
}

async fn provision(aws: &FakeAws, freshness: Freshness) -> Result<ProvisionedUser, EcrError> {
    let repository = private_repository();
    let name = UserName::for_repository(&repository).unwrap();
    let request = UserRequest { name: &name, repository: &repository, permissions: Permissions::Push, freshness };
    aws.service().provision_user(&request).await
}

fn user(operation: &str, tag: &str) -> String {
    format!(
        "<{operation}Response><{operation}Result><User><Path>/</Path><UserName>nextdeploy-acme-shop</UserName><UserId>A</UserId>\
         <Arn>arn:aws:iam::012345678901:user/nextdeploy-acme-shop</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
         <Tags><member><Key>{tag}</Key><Value>true</Value></member></Tags></User></{operation}Result></{operation}Response>"
    )
}

fn keys(ids: &[&str]) -> String {
    let member = |id: &&str| format!("<member><AccessKeyId>{id}</AccessKeyId><Status>Active</Status></member>");
    let members = ids.iter().map(member).collect::<Vec<_>>().concat();
    format!(
        "<ListAccessKeysResponse><ListAccessKeysResult><IsTruncated>false</IsTruncated>\
         <AccessKeyMetadata>{members}</AccessKeyMetadata></ListAccessKeysResult></ListAccessKeysResponse>"
    )
}

fn key() -> String {
    "<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><UserName>nextdeploy-acme-shop</UserName>\
     <AccessKeyId>AKIANEW</AccessKeyId><Status>Active</Status><SecretAccessKey>canary</SecretAccessKey></AccessKey>\
     </CreateAccessKeyResult></CreateAccessKeyResponse>"
        .to_owned()
}

fn done(operation: &str) -> String {
    format!("<{operation}Response></{operation}Response>")
}

fn without_user() -> FakeAws {
    FakeAws::default().refuses_in_xml(GET_USER, "NoSuchEntity", "no such user")
}

#[tokio::test]
async fn a_new_user_gets_a_policy_for_one_repository_and_a_key() {
    let aws = without_user()
        .answers("CreateUser", 200, user("CreateUser", "nextdeploy:managed"))
        .answers("PutUserPolicy", 200, done("PutUserPolicy"))
        .answers("CreateAccessKey", 200, key());
    let made = provision(&aws, Freshness::Keep).await.unwrap();
    assert_eq!((made.status, made.access_key_id.as_str()), (UserStatus::Created, "AKIANEW"));
    assert_eq!(made.secret_access_key.expose(), "canary");
    assert!(!format!("{made:?}").contains("canary"));
    let requests = aws.requests();
    assert!(requests[1].body.contains("nextdeploy%3Amanaged"), "{}", requests[1].body);
    assert!(requests[2].body.contains("repository%2Facme%2Fshop"), "{}", requests[2].body);
}

#[tokio::test]
async fn foreign_users_are_never_changed() {
    for freshness in [Freshness::Keep, Freshness::Remake] {
        let aws = FakeAws::default().answers(GET_USER, 200, user(GET_USER, "team"));
        let error = provision(&aws, freshness).await.unwrap_err();
        assert_eq!((error.code(), aws.operations()), ("ecr/foreign-user", vec![GET_USER.to_owned()]));
        assert!(error.hints()[0].contains("--user"));
    }
}

#[tokio::test]
async fn two_keys_are_the_limit_and_an_older_one_is_a_warning() {
    let ours = || FakeAws::default().answers(GET_USER, 200, user(GET_USER, "nextdeploy:managed"));
    let aws = ours().answers("ListAccessKeys", 200, keys(&["AKIA1", "AKIA2"]));
    let error = provision(&aws, Freshness::Keep).await.unwrap_err();
    assert_eq!((error.code(), aws.requests().len()), ("ecr/key-limit", 2));
    assert!(error.hints()[0].contains("--access-key-id AKIA1") && error.hints()[0].contains("--fresh"));
    let aws = ours()
        .answers("ListAccessKeys", 200, keys(&["AKIA1"]))
        .answers("PutUserPolicy", 200, done("PutUserPolicy"))
        .answers("CreateAccessKey", 200, key());
    let made = provision(&aws, Freshness::Keep).await.unwrap();
    assert_eq!((made.status, made.warnings[0].code), (UserStatus::Existed, "ecr/older-key"));
    assert!(made.warnings[0].message.contains("`AKIA1`"));
}

#[tokio::test]
async fn a_failed_run_is_undone_or_names_what_is_left() {
    let failing = || {
        without_user()
            .answers("CreateUser", 200, user("CreateUser", "nextdeploy:managed"))
            .answers("PutUserPolicy", 200, done("PutUserPolicy"))
            .refuses_in_xml("CreateAccessKey", "AccessDenied", "no")
    };
    let aws = failing().answers("DeleteUserPolicy", 200, done("DeleteUserPolicy")).answers(
        "DeleteUser",
        200,
        done("DeleteUser"),
    );
    let error = provision(&aws, Freshness::Keep).await.unwrap_err();
    assert_eq!((error.code(), aws.requests().len()), ("ecr/access-denied", 6));
    assert!(
        error.to_string().contains("`iam:CreateAccessKey` on `arn:aws:iam::012345678901:user/nextdeploy-acme-shop`")
    );
    let aws = failing().answers("DeleteUserPolicy", 200, done("DeleteUserPolicy")).refuses_in_xml(
        "DeleteUser",
        "AccessDenied",
        "no",
    );
    let error = provision(&aws, Freshness::Keep).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code() as u8), ("ecr/unfinished", 5));
    assert!(error.to_string().contains("left behind: the user `nextdeploy-acme-shop`"), "{error}");
    aws.requests();
}

#[tokio::test]
async fn an_existing_user_is_kept_if_its_new_key_is_denied() {
    let aws = FakeAws::default()
        .answers(GET_USER, 200, user(GET_USER, "nextdeploy:managed"))
        .answers("ListAccessKeys", 200, keys(&[]))
        .refuses_in_xml("PutUserPolicy", "AccessDenied", "no");
    assert_eq!(provision(&aws, Freshness::Keep).await.unwrap_err().code(), "ecr/access-denied");
    assert_eq!(aws.operations().len(), 3);
}

#[test]
fn user_names_are_validated() {
    assert_eq!(UserName::for_repository(&private_repository()).unwrap().as_str(), "nextdeploy-acme-shop");
    for wrong in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
        assert_eq!(UserName::parse(wrong).unwrap_err().exit_code() as u8, 2, "{wrong}");
    }
}
