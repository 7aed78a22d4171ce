//! Every field of a spec, verified inside the container and with the docker command line.

use std::time::Duration;

use nextdeploy::docker::{LogDriver, Mount, Privileges, Resources, RestartPolicy, RootFilesystem};
use nextdeploy::secret::Secret;
use serde_json::{Value, json};

use super::{Lab, check, words};

const LOOK: &str = "
const fs = require('fs')
const status = Object.fromEntries(fs.readFileSync('/proc/self/status', 'utf8').split('\\n').map((l) => l.split(':\\t')))
const attempt = (f) => { try { f(); return 'ok' } catch (e) { return e.code } }
const tmp = fs.statSync('/scratch')
console.log(JSON.stringify({
  env: [process.env.PLAIN, process.env.HIDDEN], cwd: process.cwd(), uid: process.getuid(),
  privileges: status.NoNewPrivs, capabilities: status.CapBnd, root: attempt(() => fs.writeFileSync('/x', '')),
  scratch: [tmp.uid, (tmp.mode & 0o7777).toString(8), attempt(() => fs.writeFileSync('/scratch/x', ''))],
  folder: attempt(() => fs.writeFileSync('/folder/x', '')), hosts: fs.readFileSync('/etc/hosts', 'utf8').includes('10.9.8.7\\tdb'),
}))";

#[tokio::test]
async fn every_field_reaches_the_container() {
    let lab = Lab::new("spec").await;
    let machine_folder = tempfile::tempdir().unwrap();
    let folder = machine_folder.path().join("made-by-the-daemon");
    let mut spec = lab.spec("one", LOOK);
    spec.env = [("PLAIN".to_owned(), "a=b c".to_owned())].into();
    spec.secret_env = [("HIDDEN".to_owned(), Secret::new("hush".to_owned()))].into();
    spec.mounts = vec![
        Mount::Tmpfs { target: "/scratch".into(), size: Some(1 << 20), mode: Some(0o700), owner: Some(1000) },
        Mount::Folder {
            source: folder.to_str().unwrap().into(),
            target: "/folder".into(),
            access: nextdeploy::docker::MountAccess::ReadOnly,
        },
    ];
    spec.working_dir = Some("/tmp".into());
    spec.user = Some("1000".into());
    spec.resources = Resources { memory: Some(256 << 20), cpus: Some(0.5), pids: Some(64) };
    spec.restart = RestartPolicy::OnFailure(Some(2));
    spec.health = Some(check("0", 7));
    spec.logging = LogDriver {
        driver: "json-file".into(),
        options: [("max-size".to_owned(), "1m".to_owned()), ("max-file".to_owned(), "2".to_owned())].into(),
    };
    spec.root = RootFilesystem::ReadOnly;
    spec.privileges = Privileges { no_new_privileges: true, drop: words(&["ALL"]), add: words(&["CHOWN"]) };
    spec.extra_hosts = words(&["db:10.9.8.7"]);
    spec.stop_grace = Some(Duration::from_secs(7));
    let id = lab.run(&spec).await;
    assert_eq!(lab.containers.wait(&id).await.unwrap(), 0, "{}", lab.engine.docker(&["logs", &id]));

    let seen: Value = serde_json::from_str(&lab.engine.docker(&["logs", &id])).unwrap();
    let expected = json!({
        "env": ["a=b c", "hush"], "cwd": "/tmp", "uid": 1000, "privileges": "1", "capabilities": "0000000000000001",
        "root": "EROFS", "scratch": [1000, "700", "ok"], "folder": "EROFS", "hosts": true,
    });
    assert_eq!(seen, expected);

    let inspected: Vec<Value> = serde_json::from_str(&lab.engine.docker(&["inspect", &id])).unwrap();
    let host = &inspected[0]["HostConfig"];
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(256 << 20), &json!(256 << 20)));
    assert_eq!((&host["NanoCpus"], &host["PidsLimit"]), (&json!(500_000_000), &json!(64)));
    assert_eq!(host["RestartPolicy"], json!({ "Name": "on-failure", "MaximumRetryCount": 2 }));
    assert_eq!(host["LogConfig"], json!({ "Type": "json-file", "Config": { "max-size": "1m", "max-file": "2" } }));
    let facts = lab.containers.inspect(&id).await.unwrap();
    assert_eq!((facts.memory_limit, facts.stop_grace), (Some(256 << 20), Some(Duration::from_secs(7))));
}
