use super::super::address::RepositoryName;
use super::super::fake_aws::FakeAws;
use super::*;
use crate::diagnostic::Diagnostic;

const FOUND: &str = "GetUser";

fn repository() -> PrivateRepository {
    PrivateRepository::new("012345678901", "eu-central-1", RepositoryName::parse("acme/shop").unwrap())
}

async fn check(aws: &FakeAws, freshness: Freshness) -> Result<ProvisionedUser, EcrError> {
    let repository = repository();
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

fn missing() -> FakeAws {
    FakeAws::default().refuses_in_xml(FOUND, "NoSuchEntity", "no such user")
}

#[tokio::test]
async fn a_new_user_gets_a_policy_for_one_repository_and_a_key() {
    let aws = missing()
        .answers("CreateUser", 200, user("CreateUser", "nextdeploy:managed"))
        .answers("PutUserPolicy", 200, done("PutUserPolicy"))
        .answers("CreateAccessKey", 200, key());
    let made = check(&aws, Freshness::Keep).await.unwrap();
    assert_eq!((made.status, made.access_key_id.as_str()), (UserStatus::Created, "AKIANEW"));
    assert_eq!(made.secret_access_key.expose(), "canary");
    assert!(!format!("{made:?}").contains("canary"));
    let asked = aws.asked();
    assert!(asked[1].body.contains("nextdeploy%3Amanaged"), "{}", asked[1].body);
    assert!(asked[2].body.contains("repository%2Facme%2Fshop"), "{}", asked[2].body);
}

#[tokio::test]
async fn a_user_of_somebody_else_is_never_touched() {
    for freshness in [Freshness::Keep, Freshness::Remake] {
        let aws = FakeAws::default().answers(FOUND, 200, user(FOUND, "team"));
        let error = check(&aws, freshness).await.unwrap_err();
        assert_eq!((error.code(), aws.operations()), ("ecr/foreign-user", vec![FOUND.to_owned()]));
        assert!(error.hints()[0].contains("--user"));
    }
}

#[tokio::test]
async fn two_keys_are_the_limit_and_one_brings_a_warning() {
    let ours = || FakeAws::default().answers(FOUND, 200, user(FOUND, "nextdeploy:managed"));
    let aws = ours().answers("ListAccessKeys", 200, keys(&["AKIA1", "AKIA2"]));
    let error = check(&aws, Freshness::Keep).await.unwrap_err();
    assert_eq!((error.code(), aws.asked().len()), ("ecr/key-limit", 2));
    assert!(error.hints()[0].contains("--access-key-id AKIA1") && error.hints()[0].contains("--fresh"));
    let aws = ours()
        .answers("ListAccessKeys", 200, keys(&["AKIA1"]))
        .answers("PutUserPolicy", 200, done("PutUserPolicy"))
        .answers("CreateAccessKey", 200, key());
    let made = check(&aws, Freshness::Keep).await.unwrap();
    assert_eq!((made.status, made.warnings[0].code), (UserStatus::Existed, "ecr/older-key"));
    assert!(made.warnings[0].message.contains("`AKIA1`"));
}

#[tokio::test]
async fn what_a_failed_run_made_is_taken_back_or_named() {
    let failing = || {
        missing()
            .answers("CreateUser", 200, user("CreateUser", "nextdeploy:managed"))
            .answers("PutUserPolicy", 200, done("PutUserPolicy"))
            .refuses_in_xml("CreateAccessKey", "AccessDenied", "no")
    };
    let aws = failing().answers("DeleteUserPolicy", 200, done("DeleteUserPolicy")).answers(
        "DeleteUser",
        200,
        done("DeleteUser"),
    );
    let error = check(&aws, Freshness::Keep).await.unwrap_err();
    assert_eq!((error.code(), aws.asked().len()), ("ecr/access-denied", 6));
    assert!(
        error.to_string().contains("`iam:CreateAccessKey` on `arn:aws:iam::012345678901:user/nextdeploy-acme-shop`")
    );
    let aws = failing().answers("DeleteUserPolicy", 200, done("DeleteUserPolicy")).refuses_in_xml(
        "DeleteUser",
        "AccessDenied",
        "no",
    );
    let error = check(&aws, Freshness::Keep).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code() as u8), ("ecr/unfinished", 5));
    assert!(error.to_string().contains("left: the user `nextdeploy-acme-shop`"), "{error}");
    aws.asked();
}

#[tokio::test]
async fn an_existing_user_stays_when_its_new_key_is_refused() {
    let aws = FakeAws::default()
        .answers(FOUND, 200, user(FOUND, "nextdeploy:managed"))
        .answers("ListAccessKeys", 200, keys(&[]))
        .refuses_in_xml("PutUserPolicy", "AccessDenied", "no");
    assert_eq!(check(&aws, Freshness::Keep).await.unwrap_err().code(), "ecr/access-denied");
    assert_eq!(aws.operations().len(), 3);
}

#[test]
fn names_of_users() {
    assert_eq!(UserName::for_repository(&repository()).unwrap().as_str(), "nextdeploy-acme-shop");
    for wrong in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
        assert_eq!(UserName::parse(wrong).unwrap_err().exit_code() as u8, 2, "{wrong}");
    }
}
