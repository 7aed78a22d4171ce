//! The daemon's answer to a push or pull, line by line: JSON → what it means for a transfer.

use serde::Deserialize;

use super::event::{LayerOutcome, LayerState};

/// One message of the daemon. bollard's own type drops `id` and `aux`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    id: Option<String>,
    status: Option<String>,
    /// Podman says here what Docker says in `status`.
    stream: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
    #[serde(rename = "progressDetail")]
    progress: Option<Progress>,
    aux: Option<Aux>,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Progress {
    current: Option<i64>,
    total: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Aux {
    #[serde(rename = "Tag")]
    tag: Option<String>,
    #[serde(rename = "Digest")]
    digest: Option<String>,
    #[serde(rename = "Size")]
    size: Option<u64>,
}

/// What one message means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Layer {
        layer: String,
        state: LayerState,
    },
    /// The digest of the manifest, and its size where it is told.
    Digest {
        digest: String,
        size: Option<u64>,
    },
    /// A pull that changed nothing.
    UpToDate,
    Error(String),
    Nothing,
}

impl Message {
    pub(super) fn meaning(self) -> Said {
        if let Some(text) = self.error_detail.and_then(|detail| detail.message).or(self.error) {
            return Said::Error(text);
        }
        if let Some(Aux { tag: Some(_), digest: Some(digest), size }) = self.aux {
            return Said::Digest { digest, size };
        }
        let text = self.status.or(self.stream).unwrap_or_default();
        if let Some(state) = layer_state(&text, &self.progress.unwrap_or_default()) {
            return self.id.map_or(Said::Nothing, |layer| Said::Layer { layer, state });
        }
        if text.starts_with("Status: Image is up to date") {
            return Said::UpToDate;
        }
        digest_of(&text).map_or(Said::Nothing, |(digest, size)| Said::Digest { digest, size })
    }
}

fn layer_state(status: &str, progress: &Progress) -> Option<LayerState> {
    let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let current = bytes(progress.current).unwrap_or(0);
    let total = bytes(progress.total).filter(|total| *total > 0);
    Some(match status {
        "Preparing" | "Waiting" | "Pulling fs layer" => LayerState::Waiting,
        "Pushing" | "Downloading" => LayerState::Moving { current, total },
        "Extracting" => LayerState::Extracting { current, total },
        "Pushed" | "Pull complete" => LayerState::Done(LayerOutcome::Moved),
        "Layer already exists" | "Already exists" => LayerState::Done(LayerOutcome::Exists),
        status if status.starts_with("Mounted from ") => LayerState::Done(LayerOutcome::Mounted),
        status if status.starts_with("Retrying in ") => LayerState::Retrying,
        _ => return None,
    })
}

/// `1.2: digest: sha256:… size: 737` (push), `Digest: sha256:…` (pull).
fn digest_of(status: &str) -> Option<(String, Option<u64>)> {
    let rest = status.strip_prefix("Digest: ").or_else(|| Some(status.split_once(": digest: ")?.1))?;
    let mut words = rest.split_whitespace();
    let digest = words.next().filter(|digest| digest.starts_with("sha256:") && digest.len() == 71)?;
    let size = words.skip_while(|word| *word != "size:").nth(1).and_then(|size| size.parse().ok());
    Some((digest.to_owned(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:9b281a105651b69ee1ca44a539f46b2538e3b6acef906fc834cba415700163fc";

    fn check(line: &str) -> Said {
        serde_json::from_str::<Message>(line).unwrap().meaning()
    }

    fn layer(layer: &str, state: LayerState) -> Said {
        Said::Layer { layer: layer.into(), state }
    }

    #[test]
    fn progress_keeps_the_layer_that_it_is_about() {
        let moving = LayerState::Moving { current: 33280, total: Some(3_000_000) };
        for (line, state) in [
            (r#"{"status":"Preparing","progressDetail":{},"id":"9f"}"#, LayerState::Waiting),
            (
                r#"{"status":"Pushing","progressDetail":{"current":33280,"total":3000000},"progress":"[>  ]","id":"9f"}"#,
                moving,
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":-1,"total":-1},"id":"9f"}"#,
                LayerState::Moving { current: 0, total: None },
            ),
            (r#"{"status":"Retrying in 4 seconds","progressDetail":{},"id":"9f"}"#, LayerState::Retrying),
            (r#"{"status":"Pushed","progressDetail":{},"id":"9f"}"#, LayerState::Done(LayerOutcome::Moved)),
            (
                r#"{"status":"Layer already exists","progressDetail":{},"id":"9f"}"#,
                LayerState::Done(LayerOutcome::Exists),
            ),
            (
                r#"{"status":"Mounted from library/node","progressDetail":{},"id":"9f"}"#,
                LayerState::Done(LayerOutcome::Mounted),
            ),
        ] {
            assert_eq!(check(line), layer("9f", state), "{line}");
        }
    }

    #[test]
    fn the_digest_is_found_where_each_daemon_puts_it() {
        let pushed = Said::Digest { digest: DIGEST.into(), size: Some(737) };
        assert_eq!(check(&format!(r#"{{"status":"1: digest: {DIGEST} size: 737"}}"#)), pushed);
        let aux = format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"1","Digest":"{DIGEST}","Size":737}}}}"#);
        assert_eq!(check(&aux), pushed);
        let pulled = Said::Digest { digest: DIGEST.into(), size: None };
        assert_eq!(check(&format!(r#"{{"status":"Digest: {DIGEST}"}}"#)), pulled);
        assert_eq!(check(r#"{"status":"1: digest: sha256:12 size: 7"}"#), Said::Nothing);
    }

    #[test]
    fn errors_win_over_everything_else_in_a_message() {
        let line = r#"{"status":"Pushed","id":"9f","errorDetail":{"message":"denied: no"},"error":"denied: no"}"#;
        assert_eq!(check(line), Said::Error("denied: no".into()));
        assert_eq!(check(r#"{"error":"boom"}"#), Said::Error("boom".into()));
        assert_eq!(check(r#"{"status":"The push refers to repository [a/b]"}"#), Said::Nothing);
        assert!(serde_json::from_str::<Message>("<html>").is_err());
    }
}
