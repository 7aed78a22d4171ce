//! `nextdeploy rollback`.

use super::launching::{explain, launch_listener, print_addresses, stop_signal};
use super::{Session, block_on, containers};
use crate::config::CliSettings;
use crate::config::cli::RollbackArgs;
use crate::deploy::{LaunchedService, Launcher, Replaced, Replacement, wait_timeout};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::pipeline::Stop;
use crate::report::launch::{RunResult, ServiceResult};

enum RollbackOutcome {
    Container(Box<Replaced>),
    Service(LaunchedService),
}

pub fn run(session: &Session, verb: &RollbackArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let how = Replacement::from_flags(verb.proxy.as_ref(), verb.drain.as_ref())?;
    let wait = wait_timeout(verb.wait_timeout.as_ref())?;
    let (ended, stop) = block_on(async {
        let stop = Stop::on_signals();
        let ended = async {
            let containers = containers::connect(session, words).await?;
            let listener = launch_listener(session);
            let launcher = Launcher { containers: &containers, listener: &listener, stop: stop_signal(&stop), wait };
            if verb.swarm {
                return Ok(RollbackOutcome::Service(launcher.roll_back_service(&verb.app).await?));
            }
            let replaced = launcher.roll_back(&verb.app, &how).await?;
            print_addresses(session, &replaced.launched, containers.engine().is_local());
            Ok::<_, Error>(RollbackOutcome::Container(Box::new(replaced)))
        };
        (ended.await, stop)
    })?;
    match ended {
        Err(error) => return explain(session, error, &stop),
        Ok(RollbackOutcome::Service(service)) if verb.json => session.json(&ServiceResult::new(&service, None)),
        Ok(RollbackOutcome::Service(service)) => session.data(&service.name),
        Ok(RollbackOutcome::Container(replaced)) if verb.json => session.json(&RunResult::replacing(&replaced, None)),
        Ok(RollbackOutcome::Container(replaced)) => session.data(&replaced.launched.facts.name),
    }?;
    Ok(ExitCode::Ok)
}
