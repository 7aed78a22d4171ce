use std::path::Path;

use super::*;
use crate::deploy::read_document;
use crate::diagnostic::Diagnostic;
use crate::host::Environment;
use crate::image::AppRoutes;

struct Sample {
    image: ImageFacts,
    run: Option<RunDocument>,
    config: ContainerConfig,
    env_files: Vec<LoadedEnvFile>,
}

impl Sample {
    /// An image as this program builds it, with server-rendered routes.
    fn app() -> Self {
        let labels = [
            ("nextdeploy.app", "shop"),
            ("nextdeploy.commit", "0123456789abcdef0123456789abcdef01234567"),
            ("org.opencontainers.image.version", "1.2.3"),
            ("org.opencontainers.image.created", "2026-01-02T03:04:05Z"),
        ];
        Self {
            image: ImageFacts {
                id: format!("sha256:{}", "9".repeat(64)),
                tags: vec!["shop:main".into()],
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
                build_id: Some("b1".into()),
                routes: AppRoutes {
                    prerendered: vec!["/".into()],
                    isr: vec!["/news".into()],
                    dynamic: vec!["/hello/[name]".into()],
                    api: vec!["/api/time".into()],
                    middleware: Some("edge".into()),
                },
                cwd: Some("/app".into()),
                dist_dir: Some(".next".into()),
                writable: Some(vec!["/app/.next/cache".into(), "/app/.next/server/app".into()]),
                ..RunDocument::default()
            }),
            config: ContainerConfig::default(),
            env_files: Vec::new(),
        }
    }

    fn foreign() -> Self {
        let mut sample = Self::app();
        sample.run = None;
        sample.image = ImageFacts {
            labels: BTreeMap::new(),
            ports: vec![8443, 8080],
            user: None,
            has_health_check: false,
            ..sample.image
        };
        sample
    }

    fn configured(mut self, document: &str) -> Self {
        self.config = read_document("c.yml", document, Path::new("/srv"), &Environment::default()).unwrap();
        self
    }

    fn try_plan(&self) -> Result<LaunchPlan, LaunchError> {
        self.plan_on(MachineFacts::default())
    }

    fn plan_on(&self, machine: MachineFacts<'_>) -> Result<LaunchPlan, LaunchError> {
        let reference = Sourced::new("acme/shop:main".to_owned(), Origin::Flag("IMAGE".to_owned()));
        plan_launch(LaunchInputs {
            reference: &reference,
            image: &self.image,
            run: self.run.as_ref(),
            config: &self.config,
            env_files: &self.env_files,
            machine,
        })
    }

    fn plan(&self) -> LaunchPlan {
        self.try_plan().unwrap()
    }
}

fn codes(plan: &LaunchPlan) -> Vec<&'static str> {
    plan.warnings.iter().map(|warning| warning.code).collect()
}

fn env<'p>(plan: &'p LaunchPlan, name: &str) -> Option<&'p str> {
    plan.env.get(name).map(|value| value.value.as_str())
}

#[test]
fn defaults_are_derived_from_the_app() {
    let plan = Sample::app().plan();
    assert_eq!(codes(&plan), [""; 0]);
    insta::assert_snapshot!(format!("{:#?}", plan.container(BTreeMap::new())));
}

#[test]
fn a_user_of_another_group_cannot_write() {
    for (user, warned) in
        [("1001:0", false), ("1005", false), ("root", false), ("node:root", false), ("node", true), ("2000:3000", true)]
    {
        let plan = Sample::app().configured(&format!("user: '{user}'")).plan();
        assert_eq!(codes(&plan).contains(&"launch/user-cannot-write"), warned, "{user}");
    }
}

#[test]
fn foreign_images_get_few_defaults() {
    let plan = Sample::foreign().plan();
    assert_eq!(codes(&plan), ["launch/no-health-check"]);
    assert_eq!((plan.app.value.as_str(), plan.name.value.as_str()), ("shop", "shop-99999999"));
    assert_eq!((plan.memory.value, plan.health.clone(), plan.root.value), (None, None, RootFilesystem::Writable));
    assert_eq!(plan.ports[0].value.container_port, 8080, "the lowest of those that it exposes");
    assert!(plan.env.is_empty() && plan.mounts.is_empty() && plan.app_user == AppUser::Number(0));
    let mut silent = Sample::foreign();
    silent.image.ports.clear();
    assert!(silent.plan().ports.is_empty());
    let error = silent.configured("ports: 80").try_plan().unwrap_err();
    assert_eq!(error.code(), "launch/no-port");
}

#[test]
fn memory_follows_from_the_routes_and_the_heap_from_memory() {
    let mut files = Sample::app();
    let run = files.run.as_mut().unwrap();
    run.routes = AppRoutes { prerendered: vec!["/".into()], ..AppRoutes::default() };
    let plan = files.plan();
    assert_eq!((plan.memory.value, env(&plan, "NODE_OPTIONS")), (Some(256 << 20), Some("--max-old-space-size=192")));
    files.run.as_mut().unwrap().routes.middleware = Some("edge".into());
    assert_eq!(files.plan().memory.value, Some(512 << 20), "middleware runs for every request");
    let run = files.run.as_mut().unwrap();
    (run.mode, run.writable) = (RunMode::Static, Some(Vec::new()));
    assert_eq!(files.plan().memory.value, Some(256 << 20), "no code runs");
    assert_eq!(files.plan().mounts.len(), 1, "nothing but /tmp");

    let check = |document: &str, expected: Option<&str>| {
        let plan = Sample::app().configured(document).plan();
        assert_eq!(env(&plan, "NODE_OPTIONS"), expected, "{document}");
        plan
    };
    check("memory: 1g", Some("--max-old-space-size=768"));
    check("memory: none", None);
    check("env: {NODE_OPTIONS: --trace-warnings}", Some("--trace-warnings --max-old-space-size=384"));
    assert!(
        codes(&check("env: {NODE_OPTIONS: --max_old_space_size=100}", Some("--max_old_space_size=100"))).is_empty()
    );
    let plan = check("env: {NODE_OPTIONS: --max-old-space-size 900}", Some("--max-old-space-size 900"));
    assert_eq!(codes(&plan), ["launch/heap-above-limit"]);
}

#[test]
fn ports_are_published_on_loopback_by_default() {
    let ports = |document: &str| {
        let plan = Sample::app().configured(document).plan();
        let text: Vec<String> = plan
            .ports
            .iter()
            .map(|port| format!("{}:{:?}:{}", port.value.address, port.value.host_port, port.value.container_port))
            .collect();
        (text.join(" "), codes(&plan).join(" "))
    };
    assert_eq!(ports("{}").0, "127.0.0.1:Some(3000):3000");
    assert_eq!(ports("ports: 8080").0, "127.0.0.1:Some(8080):3000");
    assert_eq!(ports("ports: 0").0, "127.0.0.1:None:3000");
    assert_eq!(ports("ports: []").0, "");
    assert_eq!(ports("env: {PORT: 4000}").0, "127.0.0.1:Some(4000):4000");
    assert_eq!(ports("ports: '0.0.0.0:80'"), ("0.0.0.0:Some(80):3000".into(), "launch/published-everywhere".into()));
    assert_eq!(ports("ports: '[::]:80'").1, "launch/published-everywhere");
    assert_eq!(ports("ports: 10.0.0.5:80").1, "");
}

#[test]
fn the_root_is_read_only_where_the_folders_are_known() {
    let targets = |sample: &Sample| {
        let plan = sample.plan();
        let targets: Vec<String> = plan.mounts.iter().map(|mount| mount.value.target().to_owned()).collect();
        (plan.root.value, targets.join(" "))
    };
    let known = (RootFilesystem::ReadOnly, "/app/.next/cache /app/.next/server/app /tmp".to_owned());
    assert_eq!(targets(&Sample::app()), known);
    assert_eq!(
        targets(&Sample::app().configured("readOnly: false")),
        (RootFilesystem::Writable, "/app/.next/cache".into())
    );
    assert_eq!(
        targets(&Sample::app().configured("tmpfs: /tmp:size=8m\nnamedVolumes: mine:/app/.next/cache")).1,
        "/app/.next/cache /tmp /app/.next/server/app",
    );
    let mut old = Sample::app();
    old.run.as_mut().unwrap().writable = None;
    assert_eq!(targets(&old).0, RootFilesystem::Writable);
    let asked = old.configured("readOnly: true");
    assert_eq!(codes(&asked.plan()), ["launch/read-only-guess"]);
    let mut own = Sample::app();
    own.run.as_mut().unwrap().mode = RunMode::Server;
    assert_eq!(targets(&own).0, RootFilesystem::Writable);
}

#[test]
fn variables_of_files_give_way_to_those_of_the_document() {
    let mut sample = Sample::app().configured("env: {A: document}");
    let file = |name: &str, variables: &[(&str, &str)]| LoadedEnvFile {
        origin: Origin::File(name.to_owned()),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    sample.env_files = vec![
        file("one.env", &[("A", "1"), ("B", "1")]),
        file("two.env", &[("B", "2"), ("STRIPE_SECRET_KEY", "sk_live_1234")]),
    ];
    let plan = sample.plan();
    assert_eq!((env(&plan, "A"), env(&plan, "B")), (Some("document"), Some("2")));
    assert_eq!(codes(&plan), ["launch/secret-in-environment"]);
    assert!(plan.warnings[0].message.contains("STRIPE_SECRET_KEY") && !plan.warnings[0].message.contains("sk_live"));
}

#[test]
fn configured_labels_cannot_hide_a_container() {
    let mut sample = Sample::app().configured("labels: {team: web}");
    for (name, value) in [("nextdeploy.managed", "false"), ("nextdeploy.app", "other")] {
        let value = Sourced::new(value.to_owned(), Origin::Flag("--label".to_owned()));
        sample.config.labels.insert(name.to_owned(), value);
    }
    let plan = sample.plan();
    let label = |name: &str| plan.labels[name].value.as_str();
    assert_eq!((label("nextdeploy.managed"), label("nextdeploy.app"), label("team")), ("true", "shop", "web"));
    let hooks = Sample::app().configured("hooks: {preStop: [node bye.js, [sleep, '1']]}").plan();
    let launcher = r#""node","/nextdeploy/launcher.cjs""#;
    let expected = format!(r#"[[{launcher},"node","bye.js"],[{launcher},"sleep","1"]]"#);
    assert_eq!(hooks.labels[PRE_STOP_LABEL].value, expected);
}

#[test]
fn labels_of_an_image_are_not_acted_on() {
    let mut sample = Sample::app();
    let secrets = format!("/dev/shm/nextdeploy-{0}/shop-{0}", "a".repeat(32));
    for (name, value) in [("nextdeploy.secrets", secrets.as_str()), (PRE_STOP_LABEL, r#"[["rm","-rf","/"]]"#)] {
        sample.image.labels.insert(name.to_owned(), value.to_owned());
    }
    let plan = sample.plan();
    assert_eq!(
        (plan.labels["nextdeploy.secrets"].value.as_str(), plan.labels[PRE_STOP_LABEL].value.as_str()),
        ("", "")
    );
    assert!(!plan.labels.contains_key("nextdeploy.helper"), "the image does not have it");
    sample = sample.configured("hooks: {preStop: [[node, bye.js]]}");
    assert!(sample.plan().labels[PRE_STOP_LABEL].value.contains("bye.js"));
}

#[test]
fn names_fit_the_daemon() {
    let mut sample = Sample::app();
    sample.image.labels.insert("nextdeploy.app".into(), "@acme/Web Shop".into());
    assert_eq!(sample.plan().name.value.as_str(), "acme-Web-Shop-01234567");
    sample.image.labels.insert("nextdeploy.app".into(), "x".repeat(300));
    assert_eq!(sample.plan().name.value.as_str().len(), 109);
    sample.image.labels.insert("nextdeploy.app".into(), "///".into());
    assert_eq!(sample.plan().app.value, "shop", "then it is the name of the image");
}

#[test]
fn a_health_check_is_the_apps_own_unless_given() {
    let health = |sample: Sample| sample.plan().health.map(|check| check.value);
    let Some(HealthCheck::Command { argv, interval, .. }) = health(Sample::app().configured("health: {interval: 3s}"))
    else {
        panic!()
    };
    assert_eq!(
        (argv.join(" "), interval),
        ("node /nextdeploy/launcher.cjs health".into(), Some(Duration::from_secs(3)))
    );
    assert_eq!(health(Sample::app().configured("health: false")), Some(HealthCheck::Disabled));
    let Some(HealthCheck::Command { argv, .. }) = health(Sample::foreign().configured("health: {command: [/probe]}"))
    else {
        panic!()
    };
    assert_eq!(argv, ["/probe"]);
}

#[test]
fn a_replacement_takes_over_the_ports() {
    let port = |host_port, container_port| PublishedPort {
        address: Ipv4Addr::LOCALHOST.into(),
        host_port,
        container_port,
        protocol: Protocol::Tcp,
    };
    let ports = |document: &str, old: &[PublishedPort]| {
        let machine = MachineFacts {
            replaces: Some(ReplacedContainer { name: "shop-1", ports: old }),
            ..MachineFacts::default()
        };
        let plan = Sample::app().configured(document).plan_on(machine).unwrap();
        let text = |port: &Sourced<PortMapping>| {
            format!("{:?}:{} {}", port.value.host_port.unwrap(), port.value.container_port, port.origin)
        };
        plan.ports.iter().map(text).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(ports("{}", &[port(8080, 4000)]), "8080:3000 from `shop-1`, which it replaces");
    assert_eq!(ports("ports: 9000", &[port(8080, 4000)]), "9000:3000 from `c.yml#ports`");
    assert!(ports("{}", &[]).starts_with("3000:3000 default"));
    let several = ports("{}", &[port(8080, 3000), port(9000, 9000)]);
    assert!(several.contains("8080:3000") && several.contains("9000:9000"), "{several}");
}

#[test]
fn assets_are_mounted_only_where_the_daemon_has_them() {
    let mounts = |daemon| {
        let machine = MachineFacts { assets: Some(Path::new("/srv/assets")), daemon, ..MachineFacts::default() };
        let plan = Sample::app().configured("volumes: ['/srv/data:/data']").plan_on(machine).unwrap();
        let targets: Vec<&str> = plan.mounts.iter().map(|mount| mount.value.target()).collect();
        (targets.contains(&"/app/.next/static"), codes(&plan))
    };
    assert_eq!(mounts(DaemonMachine::Local), (true, Vec::new()));
    assert_eq!(mounts(DaemonMachine::Remote), (false, vec!["launch/remote-folder", "launch/remote-folder"]));
}
