use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::deploy::{LaunchInputs, LaunchPlan, MachineFacts, SecretsAs, plan_launch, read_document};
use crate::diagnostic::Diagnostic as _;
use crate::docker::{ImageFacts, RunDocument, RunMode};
use crate::host::Environment;
use crate::image::AppRoutes;
use crate::origin::{Origin, Sourced};

const REFERENCE: &str = "ghcr.io/acme/shop:1.2.3";
/// A document with everything that a manifest can carry.
const FULL: &str = r#"
name: shop-blue
user: "1001:0"
memory: 1g
cpus: 1.5
pids: 200
env: { GREETING: "$HOME costs $(5)", NODE_ENV: production, FLAG: "yes" }
secrets: [DATABASE_URL]
volumes: ["/srv/data:/data:ro"]
namedVolumes: [{ name: uploads, target: /app/uploads }]
tmpfs: ["/scratch"]
hooks: { preStop: [["node", "flush.js"]], postStart: [["node", "warm.js", "it's"]] }
"#;

struct Sample {
    image: ImageFacts,
    run: Option<RunDocument>,
    document: String,
    reference: String,
}

impl Sample {
    fn app() -> Self {
        let labels = [("nextdeploy.app", "shop"), ("org.opencontainers.image.version", "1.2.3")];
        Self {
            image: ImageFacts {
                id: format!("sha256:{}", "9".repeat(64)),
                tags: vec![REFERENCE.to_owned()],
                digests: Vec::new(),
                labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                env: BTreeMap::new(),
                ports: vec![3000],
                entrypoint: vec!["node".into(), "/nextdeploy/launcher.cjs".into()],
                command: vec!["start".into()],
                user: Some("1001:0".into()),
                working_dir: Some("/app".into()),
                has_health_check: true,
                platform: "linux/amd64".into(),
            },
            run: Some(RunDocument {
                mode: RunMode::Standalone,
                port: Some(3000),
                health_path: Some("/api/health".into()),
                routes: AppRoutes {
                    isr: vec!["/news".into()],
                    dynamic: vec!["/hello/[name]".into()],
                    ..AppRoutes::default()
                },
                dist_dir: Some(".next".into()),
                writable: Some(vec!["/app/.next/cache".into(), "/app/.next/server/app".into()]),
                ..RunDocument::default()
            }),
            document: "{}".to_owned(),
            reference: REFERENCE.to_owned(),
        }
    }

    fn configured(document: &str) -> Self {
        Self { document: document.to_owned(), ..Self::app() }
    }

    fn plan(&self) -> LaunchPlan {
        let environment = Environment::from_pairs([("DATABASE_URL", "postgres://canary")]);
        let config = read_document("c.yml", &self.document, Path::new("/srv"), &environment).unwrap();
        let reference = Sourced::new(self.reference.clone(), Origin::Flag("IMAGE".to_owned()));
        let inputs = LaunchInputs {
            reference: &reference,
            image: &self.image,
            run: self.run.as_ref(),
            config: &config,
            env_files: &[],
            machine: MachineFacts::default(),
        };
        plan_launch(inputs).unwrap()
    }
}

fn cluster() -> KubernetesOptions {
    KubernetesOptions { replicas: 2, ..KubernetesOptions::default() }
}

fn fargate() -> EcsOptions {
    EcsOptions {
        region: "eu-central-1".into(),
        execution_role: "arn:aws:iam::123456789012:role/ecs".into(),
        secret_arns: [("DATABASE_URL".into(), "arn:aws:ssm:eu-central-1:123456789012:parameter/shop/db".into())].into(),
        platform: "linux/amd64".into(),
        ..EcsOptions::default()
    }
}

fn compose() -> ComposeOptions {
    ComposeOptions { replicas: 1, caddy: None, secrets_folder: "./secrets".into() }
}

fn codes(manifest: &RenderedManifest) -> Vec<&'static str> {
    manifest.warnings.iter().map(|warning| warning.code).collect()
}

/// Every document of a text, read by another YAML library than the writer.
fn parsed(text: &str) -> Vec<Value> {
    text.split("---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

#[test]
fn kubernetes_of_an_app() {
    let manifest = render_kubernetes(&Sample::app().plan(), &cluster()).unwrap();
    insta::assert_snapshot!(manifest.text);
    assert_eq!(codes(&manifest), ["manifest/cache-per-replica", "manifest/encryption-key"]);
}

#[test]
fn kubernetes_with_everything() {
    let options = KubernetesOptions {
        namespace: Some("web".into()),
        replicas: 3,
        hosts: vec!["shop.example.com".into()],
        ingress_class: Some("nginx".into()),
        tls_secret: Some("shop-tls".into()),
        secret: None,
        pull_secret: Some("ghcr".into()),
    };
    let manifest = render_kubernetes(&Sample::configured(FULL).plan(), &options).unwrap();
    insta::assert_snapshot!(manifest.text);
    let expected = [
        "manifest/host-folder",
        "manifest/cache-per-replica",
        "manifest/encryption-key",
        "manifest/secret-missing",
        "manifest/claim-missing",
    ];
    assert_eq!(codes(&manifest), expected);
    assert!(manifest.warnings[4].message.ends_with(": `uploads`"), "{:?}", manifest.warnings[4]);
    let hint = manifest.warnings[3].hint.as_deref();
    assert_eq!(hint, Some("`kubectl create secret generic shop-secrets --from-file=DATABASE_URL=FILE`"));
}

#[test]
fn compose_of_an_app() {
    let manifest = render_compose(&Sample::app().plan(), &compose()).unwrap();
    insta::assert_snapshot!(manifest.text);
    assert_eq!(codes(&manifest), [""; 0]);
}

#[test]
fn compose_with_everything() {
    let options = ComposeOptions { replicas: 2, caddy: Some("caddy:2".into()), ..compose() };
    let manifest = render_compose(&Sample::configured(FULL).plan(), &options).unwrap();
    insta::assert_snapshot!(manifest.text);
    let expected = [
        "manifest/cache-per-replica",
        "manifest/encryption-key",
        "manifest/secret-missing",
        "manifest/no-hooks",
        "manifest/caddyfile-missing",
    ];
    assert_eq!(codes(&manifest), expected);
}

#[test]
fn ecs_of_an_app() {
    let manifest = render_ecs(&Sample::app().plan(), &fargate()).unwrap();
    insta::assert_snapshot!(manifest.text);
    assert_eq!(codes(&manifest), ["manifest/cache-per-replica", "manifest/encryption-key"]);
}

#[test]
fn ecs_with_everything() {
    let mut sample = Sample::configured(FULL);
    sample.image.platform = "linux/arm64/v8".into();
    let options = EcsOptions {
        task_role: Some("arn:aws:iam::123456789012:role/shop".into()),
        log_group: Some("/web/shop".into()),
        platform: sample.image.platform.clone(),
        ..fargate()
    };
    let manifest = render_ecs(&sample.plan(), &options).unwrap();
    insta::assert_snapshot!(manifest.text);
    assert_eq!(codes(&manifest)[3..], ["manifest/volume-is-scratch", "manifest/no-hooks"]);
}

#[test]
fn no_value_of_a_secret_stands_in_a_manifest() {
    for kind in [SecretsAs::Files, SecretsAs::Env] {
        let mut plan = Sample::configured("secrets: [DATABASE_URL]").plan();
        plan.secrets_as.value = kind;
        let texts = [
            render_kubernetes(&plan, &cluster()).unwrap(),
            render_compose(&plan, &compose()).unwrap(),
            render_ecs(&plan, &fargate()).unwrap(),
        ];
        for manifest in texts {
            let told = format!("{manifest:?}");
            assert!(told.contains("DATABASE_URL") && !told.contains("canary"), "{told}");
        }
    }
}

#[test]
fn a_foreign_image_gets_what_is_known_of_it() {
    let mut sample = Sample::app();
    sample.run = None;
    sample.reference = "acme/site".to_owned();
    sample.image =
        ImageFacts { labels: BTreeMap::new(), user: None, has_health_check: false, ports: vec![8080], ..sample.image };
    let manifest = render_kubernetes(&sample.plan(), &cluster()).unwrap();
    assert_eq!(codes(&manifest), ["launch/no-health-check", "manifest/local-image", "manifest/user-unknown"]);
    let deployment = &parsed(&manifest.text)[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["tcpSocket"]["port"], "http");
    assert_eq!(
        deployment["spec"]["template"]["spec"]["securityContext"],
        json!({ "seccompProfile": { "type": "RuntimeDefault" } })
    );
    sample.image.ports.clear();
    let plan = sample.plan();
    assert_eq!(render_kubernetes(&plan, &cluster()).unwrap_err().code(), "manifest/no-port");
    assert_eq!(render_ecs(&plan, &fargate()).unwrap_err().code(), "manifest/no-port");
}

#[test]
fn one_replica_needs_nothing_shared() {
    let options = KubernetesOptions { replicas: 1, ..cluster() };
    let manifest = render_kubernetes(&Sample::app().plan(), &options).unwrap();
    assert_eq!(codes(&manifest), [""; 0]);
    assert!(!manifest.text.contains("PodDisruptionBudget"));
    let mut files = Sample::app();
    files.run = files.run.map(|run| RunDocument { mode: RunMode::Static, routes: AppRoutes::default(), ..run });
    assert_eq!(codes(&render_kubernetes(&files.plan(), &cluster()).unwrap()), [""; 0]);
}

#[test]
fn the_apps_own_check_is_used_where_no_path_is_known() {
    let mut sample = Sample::app();
    sample.run.as_mut().unwrap().health_path = None;
    let probe = |sample: &Sample| {
        let text = render_kubernetes(&sample.plan(), &cluster()).unwrap().text;
        parsed(&text)[0]["spec"]["template"]["spec"]["containers"][0]["livenessProbe"].clone()
    };
    assert_eq!(probe(&sample)["exec"]["command"], json!(["node", "/nextdeploy/launcher.cjs", "health"]));
    sample.document = "health: false".to_owned();
    assert_eq!(probe(&sample), Value::Null);
}

#[test]
fn values_that_an_engine_refuses_are_refused() {
    let plan = Sample::configured("secrets: [DATABASE_URL]").plan();
    for options in [
        KubernetesOptions { namespace: Some("Web".into()), ..cluster() },
        KubernetesOptions { hosts: vec!["a b".into()], ..cluster() },
        KubernetesOptions { secret: Some("a/b".into()), ..cluster() },
        KubernetesOptions { pull_secret: Some("-".into()), ..cluster() },
    ] {
        assert_eq!(render_kubernetes(&plan, &options).unwrap_err().code(), "manifest/invalid-value");
    }
    for (options, code) in [
        (EcsOptions { region: "Europe".into(), ..fargate() }, "manifest/invalid-value"),
        (EcsOptions { execution_role: "ecs".into(), ..fargate() }, "manifest/invalid-value"),
        (EcsOptions { platform: "linux/riscv64".into(), ..fargate() }, "manifest/invalid-value"),
        (EcsOptions { secret_arns: BTreeMap::new(), ..fargate() }, "manifest/no-secret-source"),
    ] {
        assert_eq!(render_ecs(&plan, &options).unwrap_err().code(), code);
    }
    let named = Sample::configured("user: node").plan();
    assert_eq!(render_kubernetes(&named, &cluster()).unwrap_err().code(), "manifest/invalid-value");
    let large = Sample::configured("memory: 200g").plan();
    assert_eq!(render_ecs(&large, &fargate()).unwrap_err().code(), "manifest/too-large");
}

#[test]
fn names_become_names_of_dns() {
    for (text, name) in [
        ("Shop_2.0", "shop-2-0"),
        ("--", "app"),
        ("a--b", "a-b"),
        ("ünïcode", "n-code"),
        (&"x".repeat(80), &"x".repeat(50)),
    ] {
        assert_eq!(workload::object_name(text), name, "{text}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn yaml_reads_back_what_was_written(key in any::<String>(), values in prop::collection::vec(any::<String>(), 0..4)) {
            let value = json!({ "list": values, "map": { key.clone(): values }, "nested": [[{ "a": values }], {}, []], "number": 1, "no": null });
            let back: Value = serde_saphyr::from_str(&workload::to_yaml(&value)).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}
