use serde_json::{Value, json};

use super::fake_aws::{Asked, FakeAws};
use super::*;
use crate::config::settings::{EcrSettings, RepositoryEncryption, TagMutability};
use crate::diagnostic::Diagnostic;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};

const SHOP: &str = "012345678901.dkr.ecr.eu-central-1.amazonaws.com/acme/shop";
const NOT_FOUND: &str = "RepositoryNotFoundException";
const EXISTS: &str = "RepositoryAlreadyExistsException";

fn asked<T>(value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Flag("--flag".to_owned()))
}

fn everything() -> EcrSettings {
    EcrSettings {
        tag_mutability: Some(asked(TagMutability::ImmutableExcept(vec!["latest".into(), "dev-*".into()]))),
        scan_on_push: Some(asked(false)),
        encryption: Some(asked(RepositoryEncryption::Kms(Some("arn:aws:kms:eu-central-1:012345678901:key/a".into())))),
        resource_tags: [("team".to_owned(), asked("web".to_owned()))].into(),
        keep_images: Some(asked(30)),
        expire_untagged_days: Some(asked(7)),
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
async fn a_missing_repository_is_made_as_asked_and_as_a_dry_run_says() {
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .answers("CreateRepository", 200, created())
        .answers("PutLifecyclePolicy", 200, "{}");
    let outcome = check(&aws, everything()).await.unwrap();
    assert_eq!((outcome.status, outcome.uri.as_str()), (RepositoryStatus::Created, SHOP));
    assert_eq!(outcome.arn, "arn:aws:ecr:eu-central-1:012345678901:repository/acme/shop");
    let sent = aws.asked();
    let planned = spec(SHOP, everything()).planned_calls();
    for (sent, planned) in sent.iter().zip(&planned) {
        assert_eq!(format!("ecr:{}", sent.operation), planned.action);
        assert_eq!(sent.json(), planned.request, "{}", sent.operation);
    }
    insta::assert_json_snapshot!(sent[1..].iter().map(Asked::json).collect::<Vec<_>>());
}

#[tokio::test]
async fn by_default_images_are_scanned_and_nothing_else_is_decided() {
    let aws =
        FakeAws::default().refuses("DescribeRepositories", NOT_FOUND, "no").answers("CreateRepository", 200, created());
    check(&aws, EcrSettings::default()).await.unwrap();
    let expected = json!({
        "registryId": "012345678901",
        "repositoryName": "acme/shop",
        "imageScanningConfiguration": { "scanOnPush": true },
    });
    assert_eq!(aws.asked()[1].json(), expected);
}

#[tokio::test]
async fn an_existing_repository_is_compared_and_left_alone() {
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
async fn a_repository_that_appears_meanwhile_is_fine() {
    let aws = FakeAws::default()
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .refuses("CreateRepository", EXISTS, "there")
        .answers("DescribeRepositories", 200, described(&json!({})));
    let outcome = check(&aws, EcrSettings::default()).await.unwrap();
    assert_eq!((outcome.status, outcome.warnings), (RepositoryStatus::Existed, vec![]));
    aws.asked();
}

#[tokio::test]
async fn who_may_only_create_need_not_look() {
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
async fn a_refusal_names_action_and_arn() {
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
async fn a_missing_lifecycle_policy_is_an_error_that_says_what_is_there() {
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
async fn other_refusals_keep_the_words_of_aws() {
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
async fn all_repositories_of_a_push_are_made_and_one_that_fails_does_not_stop_the_others() {
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
    let wanted = service::push_repositories(&references);
    let results = aws.service().ensure_all(wanted, &EcrSettings::default()).await;
    let seen: Vec<(&str, Option<&str>)> =
        results.iter().map(|one| (one.uri.as_str(), one.result.as_ref().err().map(Diagnostic::code))).collect();
    let expected = [
        (SHOP, Some("ecr/refused")),
        ("999999999999.dkr.ecr.eu-west-1.amazonaws.com/other", None),
        ("012345678901.dkr.ecr.eu-central-1.amazonaws.com/a__b", Some("ecr/repository-name")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(aws.asked()[2].json()["registryId"], "999999999999");
}

fn registries(alias: &str) -> String {
    let alias =
        json!({ "name": alias, "status": "ACTIVE", "primaryRegistryAlias": true, "defaultRegistryAlias": true });
    json!({ "registries": [{ "registryId": "1", "registryArn": "a", "registryUri": "u", "verified": false, "aliases": [alias] }] })
        .to_string()
}

#[tokio::test]
async fn the_public_gallery_has_repositories_with_tags_only() {
    let arn = "arn:aws:ecr-public::012345678901:repository/shop";
    let aws = FakeAws::default()
        .answers("DescribeRegistries", 200, registries("acme"))
        .refuses("DescribeRepositories", NOT_FOUND, "no")
        .answers("CreateRepository", 200, json!({ "repository": { "repositoryArn": arn } }).to_string());
    let spec = spec("public.ecr.aws/acme/shop", everything());
    let outcome = aws.service().ensure_repository(&spec).await.unwrap();
    assert_eq!((outcome.arn.as_str(), outcome.uri.as_str()), (arn, "public.ecr.aws/acme/shop"));
    assert_eq!(outcome.warnings.iter().filter(|warning| warning.code == "ecr/not-in-public").count(), 5);
    let sent = aws.asked();
    for (sent, planned) in sent.iter().zip(spec.planned_calls()) {
        assert_eq!((format!("ecr-public:{}", sent.operation).as_str(), sent.json()), (planned.action, planned.request));
    }
}

#[tokio::test]
async fn the_alias_of_another_account_is_told_before_anything_is_made() {
    let aws = FakeAws::default().answers("DescribeRegistries", 200, registries("a1b2c3d4"));
    let error =
        aws.service().ensure_repository(&spec("public.ecr.aws/acme/shop", EcrSettings::default())).await.unwrap_err();
    assert_eq!(error.code(), "ecr/other-alias");
    assert!(error.to_string().contains("`a1b2c3d4`"), "{error}");
}
