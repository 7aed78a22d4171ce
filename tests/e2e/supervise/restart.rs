//! Restarts that meet the wishes of others: a stop meanwhile, a second supervision, the end of the program.

use rustix::process::Signal;

use super::harness::Desk;
use crate::docker::Engine;

#[test]
fn a_state_folder_has_one_supervision_also_without_logs() {
    let engine = Engine::with_base(22);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&["nd-sup-nothing"]);
    let (code, told) = desk.refused(&["nd-sup-nothing"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("error: another `nextdeploy supervise` uses the state folder `"), "{told}");
    assert!(!told.contains("watching "), "{told}");
    supervisor.end(Signal::TERM);
    desk.supervise(&["nd-sup-nothing"]);
}
