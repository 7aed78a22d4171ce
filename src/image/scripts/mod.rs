//! The scripts that run in the build stage and in the image, as text. They stand in `image/`; nothing here runs them.

/// Process 1 of the image and its health check; goes to `/nextdeploy/launcher.cjs`.
pub const LAUNCHER: &str = include_str!("launcher.cjs");

/// What the build stage needs in `/nextdeploy/`, beside `plan.json`: name and content.
pub const BUILD_SCRIPTS: [(&str, &str); 5] = [
    ("assemble.cjs", include_str!("assemble.cjs")),
    ("files.cjs", include_str!("files.cjs")),
    ("finish-layer.cjs", include_str!("finish-layer.cjs")),
    ("pin-build-id.cjs", include_str!("pin-build-id.cjs")),
    ("pin-keys.cjs", include_str!("pin-keys.cjs")),
];
