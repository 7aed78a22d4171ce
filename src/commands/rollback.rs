//! `nextdeploy rollback`.

use super::launching::{explain, launch_listener, print_addresses, stop_signal};
use super::{Session, block_on};
use crate::config::cli::{Rollback, Words};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::deploy::{LaunchedService, Launcher, Replaced, Replacement, wait_timeout};
use crate::diagnostic::ExitCode;
use crate::docker::Containers;
use crate::docker::connection::{Engine, find_endpoint};
use crate::error::Error;
use crate::pipeline::Stop;
use crate::report::launch::{RunResult, ServiceResult};

enum RollbackOutcome {
    Container(Box<Replaced>),
    Service(LaunchedService),
}

pub fn run(session: &Session, verb: &Rollback, words: &Words) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let ca_bundle = resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
    let endpoint = find_endpoint(&session.environment, ca_bundle)?;
    let how = Replacement::from_flags(verb.proxy.as_ref(), verb.drain.as_ref())?;
    let wait = wait_timeout(verb.wait_timeout.as_ref())?;
    let (ended, stop) = block_on(async {
        let stop = Stop::on_signals();
        let ended = async {
            let engine = Engine::connect(endpoint, &session.environment).await?;
            let containers = Containers::new(&engine);
            let listener = launch_listener(session);
            let launcher = Launcher { containers: &containers, listener: &listener, stop: stop_signal(&stop), wait };
            if verb.swarm {
                return Ok(RollbackOutcome::Service(launcher.roll_back_service(&verb.app).await?));
            }
            let replaced = launcher.roll_back(&verb.app, &how).await?;
            print_addresses(session, &replaced.launched, engine.is_local());
            Ok::<_, Error>(RollbackOutcome::Container(Box::new(replaced)))
        };
        (ended.await, stop)
    })?;
    match ended {
        Err(error) => explain(session, error, &stop),
        Ok(RollbackOutcome::Service(service)) => {
            if verb.json {
                session.json(&ServiceResult::new(&service, None))?;
            } else {
                session.data(&service.name)?;
            }
            Ok(ExitCode::Ok)
        }
        Ok(RollbackOutcome::Container(replaced)) => {
            if verb.json {
                session.json(&RunResult::replacing(&replaced, None))?;
            } else {
                session.data(&replaced.launched.facts.name)?;
            }
            Ok(ExitCode::Ok)
        }
    }
}
