//! From creation to removal, and what a daemon rejects.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use nextdeploy::diagnostic::Diagnostic;
use nextdeploy::docker::{
    ContainerError, ContainerStatus, ExecSpec, ListQuery, LogStream, Owner, PortMapping, Protocol, Removal, Running,
};

use super::{IDLE, Lab, words};

#[tokio::test]
async fn a_container_from_creation_to_removal() {
    let lab = Lab::new("life").await;
    let containers = &lab.containers;
    let spec = lab.spec("one", IDLE);
    let created = containers.create(&spec).await.unwrap();
    let name = spec.name.as_str();
    let status = async |name: &str| containers.inspect(name).await.unwrap().state.status;
    assert_eq!(status(name).await, ContainerStatus::Created);

    containers.start(name).await.unwrap();
    containers.start(name).await.expect("a second start is none");
    assert_eq!(status(name).await, ContainerStatus::Running);
    assert_eq!(containers.remove(name, Removal::Stopped).await.unwrap_err().code(), "container/runs");

    let renamed = lab.name("two");
    containers.rename(name, &renamed).await.unwrap();
    let facts = containers.inspect(renamed.as_str()).await.unwrap();
    assert_eq!((facts.id.as_str(), facts.app()), (created.id.as_str(), Some(lab.name.as_str())));

    let first_start = facts.state.started_at;
    containers.restart(&created.id, Some(Duration::from_secs(5))).await.unwrap();
    assert!(containers.inspect(&created.id).await.unwrap().state.started_at > first_start);

    let (waited, stopped) = tokio::join!(containers.wait(&created.id), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        containers.stop(&created.id, None).await
    });
    assert_eq!((waited.unwrap(), stopped.is_ok()), (0, true));
    containers.stop(&created.id, None).await.expect("a second stop is none");

    let query = |running| ListQuery { owner: Owner::Ours, running, app: Some(&lab.name) };
    assert_eq!(containers.list(&query(Running::Only)).await.unwrap().len(), 0);
    assert_eq!(containers.list(&query(Running::OrNot)).await.unwrap()[0].name, renamed.to_string());
    containers.remove(&created.id, Removal::Stopped).await.unwrap();
    let gone = containers.inspect(&created.id).await.unwrap_err();
    assert!(matches!(gone, ContainerError::NotFound { kind: "container", .. }), "{gone}");
    assert_eq!(lab.left(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_process_that_ignores_its_stop_signal_is_killed() {
    let lab = Lab::new("stubborn").await;
    let script = "process.on('SIGTERM', () => console.log('no')); setInterval(() => {}, 1000); console.log('up')";
    let id = lab.run(&lab.spec("one", script)).await;
    // The handler must be installed before the signal.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    lab.containers.stop(&id, Some(Duration::from_millis(1500))).await.unwrap();
    let took = begun.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(6)).contains(&took), "{took:?}");
    let state = lab.containers.inspect(&id).await.unwrap().state;
    assert_eq!((state.exit_code, state.out_of_memory), (Some(137), false));
}

#[tokio::test]
async fn daemon_rejections_have_their_own_errors() {
    let lab = Lab::new("refused").await;
    let containers = &lab.containers;
    let told = |error: ContainerError| format!("{}: {error}", error.code());

    let mut missing = lab.spec("one", IDLE);
    missing.image = "nd-e2e-no:1".into();
    let missing = containers.create(&missing).await.unwrap_err();
    assert_eq!(told(missing), "container/image-missing: the daemon has no image `nd-e2e-no:1`");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let mut with_port = lab.spec("port", IDLE);
    with_port.ports = vec![PortMapping {
        address: Ipv4Addr::LOCALHOST.into(),
        host_port: Some(taken),
        container_port: 3000,
        protocol: Protocol::Tcp,
    }];
    containers.create(&with_port).await.unwrap();
    let error = containers.start(with_port.name.as_str()).await.unwrap_err();
    assert!(
        told(error).starts_with(&format!("container/port-in-use: port 127.0.0.1:{taken} of the machine is in use"))
    );
    drop(listener);
    containers.start(with_port.name.as_str()).await.unwrap();
    let mut second = with_port.clone();
    second.name = lab.name("port-again");
    containers.create(&second).await.unwrap();
    let error = containers.start(second.name.as_str()).await.unwrap_err();
    assert!(
        matches!(&error, ContainerError::PortInUse { port, .. } if *port == format!("127.0.0.1:{taken}")),
        "{error}"
    );

    let again = containers.create(&with_port).await.unwrap_err();
    assert_eq!(
        told(again),
        format!("container/name-in-use: the name `{}` is in use by another container", with_port.name)
    );
    let renamed = containers.rename(second.name.as_str(), &with_port.name).await.unwrap_err();
    assert!(matches!(&renamed, ContainerError::NameInUse { name } if *name == with_port.name.to_string()), "{renamed}");

    let mut lonely = lab.spec("lonely", IDLE);
    lonely.network = Some(lab.name("nowhere"));
    containers.create(&lonely).await.unwrap();
    let error = containers.start(lonely.name.as_str()).await.unwrap_err();
    let nowhere = lab.name("nowhere");
    assert_eq!(told(error), format!("container/not-found: no such network: `{nowhere}`"));

    let mut odd = lab.spec("odd", IDLE);
    odd.command = Some(words(&["nd-no-such-program"]));
    containers.create(&odd).await.unwrap();
    let error = containers.start(odd.name.as_str()).await.unwrap_err();
    assert_eq!(error.code(), "container/start");
    assert!(error.to_string().contains("nd-no-such-program"), "{error}");
    let error = containers.exec(odd.name.as_str(), &ExecSpec { argv: words(&["ls"]), ..ExecSpec::default() }).await;
    assert_eq!(error.err().unwrap().code(), "container/not-running");
    assert_eq!(containers.stats_once(odd.name.as_str()).await.unwrap_err().code(), "container/not-running");

    let volume = containers.ensure_volume(&lab.volume("data", "nd-no-driver", &[])).await.unwrap_err();
    assert_eq!(told(volume), "container/volume-driver: no such volume driver: `nd-no-driver`");
    for gone in [containers.stop("nd-e2e-gone", None).await, containers.start("nd-e2e-gone").await] {
        assert_eq!(told(gone.unwrap_err()), "container/not-found: no such container: `nd-e2e-gone`");
    }
}

#[tokio::test]
async fn commands_in_a_container() {
    let lab = Lab::new("exec").await;
    let id = lab.run(&lab.spec("one", IDLE)).await;
    let run = async |spec: ExecSpec| {
        let mut execution = lab.containers.exec(&id, &spec).await.unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(output) = execution.next().await.unwrap() {
            let into = if output.stream == LogStream::Stdout { &mut stdout } else { &mut stderr };
            into.extend_from_slice(&output.bytes);
        }
        (stdout, stderr, execution.exit_code().await.unwrap())
    };
    let script =
        "console.log(process.getuid(), process.cwd(), process.env.GREETING); console.error('oh'); process.exit(9)";
    let spec = ExecSpec {
        argv: words(&["node", "-e", script]),
        user: Some("1000".into()),
        working_dir: Some("/tmp".into()),
        env: [("GREETING".to_owned(), "two words".to_owned())].into(),
    };
    let (stdout, stderr, code) = run(spec).await;
    assert_eq!((stdout.as_slice(), stderr.as_slice(), code), (&b"1000 /tmp two words\n"[..], &b"oh\n"[..], 9));

    let many = "process.stdout.write(Buffer.alloc(20 << 20, 255))";
    let (stdout, stderr, code) = run(ExecSpec { argv: words(&["node", "-e", many]), ..ExecSpec::default() }).await;
    assert!(stdout.len() == 20 << 20 && stdout.iter().all(|byte| *byte == 255), "{}", stdout.len());
    assert_eq!((stderr.len(), code), (0, 0));

    let killed = "process.kill(process.pid, 'SIGKILL')";
    assert_eq!(run(ExecSpec { argv: words(&["node", "-e", killed]), ..ExecSpec::default() }).await.2, 137);
    let (stdout, _, code) = run(ExecSpec { argv: words(&["nd-no-such-program"]), ..ExecSpec::default() }).await;
    assert!(String::from_utf8_lossy(&stdout).contains("nd-no-such-program") && code == 126, "{code}");
}
