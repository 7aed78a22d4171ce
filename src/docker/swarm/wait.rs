//! The wait until Swarm has rolled out a service, or gave up.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{Service, ServiceUpdateStatusStateEnum, Task, TaskState};
use tokio::time::{Instant, sleep};

use crate::diagnostic::printable;
use crate::docker::containers::Containers;
use crate::docker::error::ContainerError;
use crate::docker::refusal::Operation;

const POLL: Duration = Duration::from_millis(500);
/// New tasks that end one after the other. Swarm itself would never give up the first deployment.
const MAX_FAILED_TASKS: usize = 3;

/// State of a task that no machine can take.
const WAITING: &str = "pending";

/// How far the rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceProgress {
    /// Tasks of the target state that run and are healthy.
    pub running: u64,
    pub wanted: u64,
    pub direction: RolloutDirection,
}

/// The target state of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutDirection {
    Forward,
    /// The state before the last update.
    Back,
}

/// A task that failed, or cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskProblem {
    /// `failed`, `rejected`, …
    pub state: String,
    pub message: String,
    pub exit_code: Option<i64>,
    /// Container of the task, on a machine of the Swarm.
    pub container: Option<String>,
}

/// Why a rollout failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceFailure {
    /// Swarm went back to the state before.
    RolledBack(Vec<TaskProblem>),
    /// Swarm stopped with both kinds of tasks.
    Paused(Vec<TaskProblem>),
    /// The tasks of a new service end again and again.
    Failing(Vec<TaskProblem>),
    TimedOut {
        progress: ServiceProgress,
        problems: Vec<TaskProblem>,
    },
}

impl ServiceFailure {
    pub fn problems(&self) -> &[TaskProblem] {
        match self {
            Self::RolledBack(problems)
            | Self::Paused(problems)
            | Self::Failing(problems)
            | Self::TimedOut { problems, .. } => problems,
        }
    }
}

impl std::fmt::Display for TaskProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.state, printable(&self.message))?;
        match self.exit_code.filter(|code| *code != 0) {
            Some(code) => write!(f, " (exit code {code})"),
            None => Ok(()),
        }
    }
}

impl Containers {
    /// Waits until all tasks of the service are new and run. `on_progress` is called for each step.
    pub async fn await_service(
        &self,
        name: &str,
        limit: Duration,
        mut on_progress: impl FnMut(ServiceProgress),
    ) -> Result<Result<ServiceProgress, ServiceFailure>, ContainerError> {
        let started = Instant::now();
        let mut last = None;
        loop {
            let service = self
                .service(name)
                .await?
                .ok_or_else(|| ContainerError::NotFound { kind: "service", name: name.to_owned() })?;
            let tasks = self.tasks(name).await?;
            let progress = progress(&service, &tasks);
            if last != Some(progress) {
                on_progress(progress);
                last = Some(progress);
            }
            if let Some(verdict) = verdict(&service, &tasks, progress) {
                return Ok(verdict);
            }
            if started.elapsed() >= limit {
                return Ok(Err(ServiceFailure::TimedOut { progress, problems: problems(&service, &tasks) }));
            }
            sleep(POLL).await;
        }
    }

    pub(super) async fn tasks(&self, name: &str) -> Result<Vec<Task>, ContainerError> {
        let operation = Operation::new("task list", "service", name);
        let request = self.get(&operation, "/tasks").json_query("filters", &BTreeMap::from([("service", [name])]));
        request.read().await.map_err(|error| operation.failed(error))
    }
}

/// Whether the task has the current specification of the service.
fn is_new(service: &Service, task: &Task) -> bool {
    let wanted = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    // As Swarm itself compares them.
    wanted.is_some_and(|wanted| {
        task.spec.as_ref().is_some_and(|spec| {
            spec.container_spec == wanted.container_spec
                && spec.resources == wanted.resources
                && spec.force_update.unwrap_or_default() == wanted.force_update.unwrap_or_default()
        })
    })
}

fn state(task: &Task) -> Option<TaskState> {
    task.status.as_ref()?.state
}

fn progress(service: &Service, tasks: &[Task]) -> ServiceProgress {
    use ServiceUpdateStatusStateEnum as Update;
    let replicated = service.spec.as_ref().and_then(|spec| spec.mode.as_ref()?.replicated.as_ref()?.replicas);
    let running = tasks.iter().filter(|task| {
        is_new(service, task)
            && state(task) == Some(TaskState::RUNNING)
            && task.desired_state == Some(TaskState::RUNNING)
    });
    ServiceProgress {
        running: running.count() as u64,
        wanted: replicated.and_then(|replicas| u64::try_from(replicas).ok()).unwrap_or(1),
        direction: match service.update_status.as_ref().and_then(|status| status.state) {
            Some(Update::ROLLBACK_STARTED | Update::ROLLBACK_PAUSED | Update::ROLLBACK_COMPLETED) => {
                RolloutDirection::Back
            }
            _ => RolloutDirection::Forward,
        },
    }
}

fn verdict(
    service: &Service,
    tasks: &[Task],
    progress: ServiceProgress,
) -> Option<Result<ServiceProgress, ServiceFailure>> {
    use ServiceUpdateStatusStateEnum as Update;
    let update = service.update_status.as_ref().and_then(|status| status.state);
    let problems = || all_problems(tasks);
    match update {
        Some(Update::ROLLBACK_COMPLETED) => return Some(Err(ServiceFailure::RolledBack(problems()))),
        Some(Update::PAUSED | Update::ROLLBACK_PAUSED) => return Some(Err(ServiceFailure::Paused(problems()))),
        Some(Update::UPDATING | Update::ROLLBACK_STARTED) => return None,
        _ => {}
    }
    if progress.running >= progress.wanted {
        return Some(Ok(progress));
    }
    let failed: Vec<TaskProblem> =
        self::problems(service, tasks).into_iter().filter(|problem| problem.state != WAITING).collect();
    (update.is_none() && failed.len() >= MAX_FAILED_TASKS).then_some(Err(ServiceFailure::Failing(failed)))
}

/// Problems of new tasks.
fn problems(service: &Service, tasks: &[Task]) -> Vec<TaskProblem> {
    tasks.iter().filter(|task| is_new(service, task)).filter_map(problem).collect()
}

fn all_problems(tasks: &[Task]) -> Vec<TaskProblem> {
    tasks.iter().filter_map(problem).collect()
}

fn problem(task: &Task) -> Option<TaskProblem> {
    let status = task.status.as_ref()?;
    let state = match status.state? {
        TaskState::FAILED => "failed",
        TaskState::REJECTED => "rejected",
        TaskState::ORPHANED => "orphaned",
        TaskState::PENDING if status.err.as_ref().is_some_and(|reason| !reason.is_empty()) => WAITING,
        _ => return None,
    };
    let container = status.container_status.as_ref();
    Some(TaskProblem {
        state: state.to_owned(),
        message: status.err.clone().filter(|text| !text.is_empty()).or_else(|| status.message.clone())?,
        exit_code: container.and_then(|container| container.exit_code),
        container: container.and_then(|container| container.container_id.clone()).filter(|id| !id.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::{
        ContainerStatus, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, ServiceUpdateStatus, TaskSpec,
        TaskStatus,
    };

    use super::*;

    fn service() -> Service {
        let mode = ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(2) }),
            ..ServiceSpecMode::default()
        };
        let spec = ServiceSpec { task_template: Some(TaskSpec::default()), mode: Some(mode), ..ServiceSpec::default() };
        Service { spec: Some(spec), ..Service::default() }
    }

    fn task(state: TaskState, err: &str, exit_code: Option<i64>) -> Task {
        let container_status =
            exit_code.map(|code| ContainerStatus { exit_code: Some(code), ..ContainerStatus::default() });
        Task {
            spec: Some(TaskSpec::default()),
            desired_state: Some(TaskState::RUNNING),
            status: Some(TaskStatus {
                state: Some(state),
                message: Some("pending task scheduling".into()),
                err: Some(err.into()),
                container_status,
                ..TaskStatus::default()
            }),
            ..Task::default()
        }
    }

    fn check(tasks: &[Task]) -> Option<Result<ServiceProgress, ServiceFailure>> {
        verdict(&service(), tasks, progress(&service(), tasks))
    }

    #[test]
    fn all_tasks_have_to_run() {
        let running = || task(TaskState::RUNNING, "", None);
        assert_eq!(check(&[running()]), None);
        let all = ServiceProgress { running: 2, wanted: 2, direction: RolloutDirection::Forward };
        assert_eq!(check(&[running(), running()]), Some(Ok(all)));
    }

    #[test]
    fn tasks_of_a_rollback_are_recognised() {
        let tasks = [task(TaskState::RUNNING, "", None), task(TaskState::RUNNING, "", None)];
        let status = ServiceUpdateStatus {
            state: Some(ServiceUpdateStatusStateEnum::ROLLBACK_COMPLETED),
            ..ServiceUpdateStatus::default()
        };
        let service = Service { update_status: Some(status), ..service() };
        let progress = progress(&service, &tasks);
        assert_eq!((progress.running, progress.direction), (2, RolloutDirection::Back));
        assert_eq!(verdict(&service, &tasks, progress), Some(Err(ServiceFailure::RolledBack(Vec::new()))));
    }

    #[test]
    fn pending_tasks_have_not_failed() {
        let waits = || task(TaskState::PENDING, "", None);
        let failed = || task(TaskState::FAILED, "task: non-zero exit (3)", Some(3));
        assert_eq!(check(&[waits(), waits(), waits(), failed(), failed()]), None);
        let Some(Err(ServiceFailure::Failing(problems))) = check(&[waits(), failed(), failed(), failed()]) else {
            panic!("three failures are enough");
        };
        assert!(problems.iter().all(|problem| problem.exit_code == Some(3)) && problems.len() == 3, "{problems:?}");
        let stuck = task(TaskState::PENDING, "no suitable node (insufficient resources on 1 node)", None);
        assert_eq!(problems_of(&stuck), "pending: no suitable node (insufficient resources on 1 node)");
    }

    fn problems_of(task: &Task) -> String {
        problem(task).map(|problem| problem.to_string()).unwrap_or_default()
    }
}
