//! The text stream of the classic builder (Docker's and Podman's) → steps.
//!
//! Only lines that a builder writes between steps are read as its words; all else is the log of the running step.

use regex_lite::Regex;
use tokio::time::Instant;

use super::steps::Steps;
use crate::builder::{BuildEvent, LogStream, StepId, StepOutcome};

/// Where in the text stream we are.
pub(super) struct ClassicLog {
    step_line: Regex,
    current: Option<Current>,
    count: usize,
}

struct Current {
    id: StepId,
    started: Instant,
    cached: bool,
    has_log: bool,
}

impl Default for ClassicLog {
    fn default() -> Self {
        // Docker: `Step 3/12 : RUN …`; Podman: `STEP 3/12: RUN …`, in stages `[1/2] STEP 3/12: RUN …`.
        let pattern = r"^(?:\[(\d+/\d+)\] )?(?:Step|STEP) (\d+/\d+) ?: (.+)\n?$";
        Self { step_line: Regex::new(pattern).expect("a constant pattern"), current: None, count: 0 }
    }
}

impl ClassicLog {
    /// Reads one message; the answer is the image id, once the builder names it.
    pub(super) fn stream(&mut self, text: &str, steps: &mut Steps) -> Option<String> {
        if let Some(found) = self.step_line.captures(text) {
            self.finish(steps, None);
            let stage = found.get(1).map(|stage| format!("stage {} ", stage.as_str())).unwrap_or_default();
            let name = format!("[{stage}{}] {}", &found[2], &found[3]);
            self.count += 1;
            let id = StepId(format!("step-{}", self.count));
            steps.start(&id, &name, false);
            self.current = Some(Current { id, started: Instant::now(), cached: false, has_log: false });
            return None;
        }
        if let Some(id) = text.strip_prefix("Successfully built ") {
            self.finish(steps, None);
            return Some(id.trim().to_owned());
        }
        let current = self.current.as_mut()?;
        let words = text.trim_start_matches([' ', '-']);
        if !current.has_log && words.starts_with("> Using cache") {
            current.cached = true;
        } else if !is_builders_own(text) {
            current.has_log = true;
            // Docker colours standard error red; that is the only mark it leaves.
            let stream = if text.starts_with("\x1b[91m") { LogStream::Stderr } else { LogStream::Stdout };
            let text = text.strip_prefix("\x1b[91m").map_or(text, |text| text.strip_suffix("\x1b[0m").unwrap_or(text));
            steps.log(&current.id, stream, text.as_bytes());
        }
        None
    }

    /// Progress of a pull.
    pub(super) fn progress(&mut self, item: String, (current, total): (Option<u64>, Option<u64>), steps: &mut Steps) {
        if let (Some(step), Some(current)) = (&self.current, current) {
            steps.push(BuildEvent::StepProgress { id: step.id.clone(), item, current, total });
        }
    }

    /// A line of a pull without numbers.
    pub(super) fn status(&mut self, text: &str, steps: &mut Steps) {
        if let Some(step) = &self.current {
            steps.log(&step.id, LogStream::Stdout, format!("{text}\n").as_bytes());
        }
    }

    /// The stream is over.
    pub(super) fn end(&mut self, steps: &mut Steps, error: Option<&str>) {
        self.finish(steps, error);
    }

    fn finish(&mut self, steps: &mut Steps, error: Option<&str>) {
        let Some(step) = self.current.take() else { return };
        let outcome = match error {
            Some(error) => StepOutcome::Failed(steps.redact(error)),
            None if step.cached => StepOutcome::Cached,
            None => StepOutcome::Done,
        };
        steps.finish(&step.id, outcome, step.started.elapsed());
    }
}

fn is_builders_own(text: &str) -> bool {
    let text = text.trim_end();
    text.is_empty()
        || text.starts_with(" ---> ")
        || text.starts_with("--> ")
        || text.starts_with("Removing intermediate container ")
        || text.starts_with("COMMIT ")
        || text.starts_with("Successfully tagged ")
        || (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Redactor;

    fn check(messages: &[&str], error: Option<&str>) -> (Vec<String>, Option<String>) {
        let (mut log, mut steps, mut id) = (ClassicLog::default(), Steps::new(Redactor::default()), None);
        for message in messages {
            id = log.stream(message, &mut steps).or(id);
        }
        log.end(&mut steps, error);
        let shown = steps.take_events().into_iter().map(|event| match event {
            BuildEvent::StepStarted { name, .. } => format!("start {name}"),
            BuildEvent::StepFinished { outcome, .. } => format!("end {outcome:?}"),
            BuildEvent::StepLog { stream, bytes, .. } => format!("{stream:?} {}", String::from_utf8_lossy(&bytes)),
            other => format!("{other:?}"),
        });
        (shown.collect(), id)
    }

    #[test]
    fn docker_words_become_steps() {
        let (events, id) = check(
            &[
                "Step 1/3 : FROM node:22-slim",
                "\n",
                " ---> 7921a0eb47fd\n",
                "Step 2/3 : ENV A=1",
                "\n",
                " ---> Using cache\n",
                " ---> 755ebaef57e8\n",
                "Step 3/3 : RUN echo hello; echo err >&2",
                "\n",
                " ---> Running in 3cfc1a72dd9a\n",
                "\x1b[91merr\n\x1b[0m",
                "hello\n",
                "Removing intermediate container 3cfc1a72dd9a\n",
                " ---> a4fc667413d0\n",
                "Successfully built a4fc667413d0\n",
            ],
            None,
        );
        let expected = [
            "start [1/3] FROM node:22-slim",
            "end Done",
            "start [2/3] ENV A=1",
            "end Cached",
            "start [3/3] RUN echo hello; echo err >&2",
            "Stderr err",
            "Stdout hello",
            "end Done",
        ];
        assert_eq!(events, expected);
        assert_eq!(id.as_deref(), Some("a4fc667413d0"));
    }

    #[test]
    fn podman_words_become_steps_and_the_last_one_carries_the_error() {
        let messages = ["[1/2] STEP 1/2: FROM node:22-slim AS deps\n", "[1/2] STEP 2/2: RUN exit 37\n", "boom\n"];
        let (events, id) = check(&messages, Some("while running runtime: exit status 37"));
        let expected = [
            "start [stage 1/2 1/2] FROM node:22-slim AS deps",
            "end Done",
            "start [stage 1/2 2/2] RUN exit 37",
            "Stdout boom",
            "end Failed(\"while running runtime: exit status 37\")",
        ];
        assert_eq!(events, expected);
        assert_eq!(id, None);
    }

    #[test]
    fn a_log_that_speaks_like_the_cache_does_not_mark_the_step_cached() {
        let (events, _) = check(&["Step 1/1 : RUN x", "\n", "log\n", " ---> Using cache\n"], None);
        assert_eq!(events.last().unwrap(), "end Done");
    }
}
