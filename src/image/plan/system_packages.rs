//! Packages of the distribution that the base images lack: for native modules, for programs that dependencies start, and those that
//! the user names.
//!
//! Compilers and headers are in the build stages only. Versions are those of the base image's distribution.

use std::collections::BTreeMap;

use super::error::PlanError;
use super::image::{BaseFlavour, BasePlan, ImageMode, Inputs, PlannedSecret, SSH_SECRET, SystemPackage};
use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};
use crate::project::NativeModule;

/// What compiles native modules: name on Debian, name on Alpine, command.
const COMPILERS: [(&str, &str, &str); 4] = [
    ("python3", "python3", "python3"),
    ("make", "make", "make"),
    ("g++", "g++", "g++"),
    ("pkg-config", "pkgconf", "pkg-config"),
];

/// Libraries of a native module, as pairs of names on Debian and Alpine.
struct ModuleLibraries {
    module: &'static str,
    headers: &'static [(&'static str, &'static str)],
    libraries: &'static [(&'static str, &'static str)],
}

const LIBRARIES: &[ModuleLibraries] = &[
    ModuleLibraries {
        module: "canvas",
        headers: &[
            ("libcairo2-dev", "cairo-dev"),
            ("libpango1.0-dev", "pango-dev"),
            ("libjpeg-dev", "jpeg-dev"),
            ("libgif-dev", "giflib-dev"),
            ("librsvg2-dev", "librsvg-dev"),
        ],
        libraries: &[
            ("libcairo2", "cairo"),
            ("libpangocairo-1.0-0", "pango"),
            ("libjpeg62-turbo", "jpeg"),
            ("libgif7", "giflib"),
            ("librsvg2-2", "librsvg"),
        ],
    },
    ModuleLibraries { module: "libpq", headers: &[("libpq-dev", "libpq-dev")], libraries: &[("libpq5", "libpq")] },
    ModuleLibraries {
        module: "kerberos",
        headers: &[("libkrb5-dev", "krb5-dev")],
        libraries: &[("libgssapi-krb5-2", "krb5-libs")],
    },
    ModuleLibraries {
        module: "keytar",
        headers: &[("libsecret-1-dev", "libsecret-dev")],
        libraries: &[("libsecret-1-0", "libsecret")],
    },
    ModuleLibraries {
        module: "odbc",
        headers: &[("unixodbc-dev", "unixodbc-dev")],
        libraries: &[("unixodbc", "unixodbc")],
    },
];

/// A dependency that starts a program, the package that has it, and dependencies that bring it along instead.
struct StartedProgram {
    dependency: &'static str,
    program: &'static str,
    package: &'static str,
    unless: &'static [&'static str],
}

const fn starts(dependency: &'static str, program: &'static str, package: &'static str) -> StartedProgram {
    StartedProgram { dependency, program, package, unless: &[] }
}

const FFMPEG: &[&str] = &["ffmpeg-static", "@ffmpeg-installer/ffmpeg", "ffmpeg-ffprobe-static"];
const CHROMIUM: &[&str] = &["@sparticuz/chromium", "@sparticuz/chromium-min", "chrome-aws-lambda"];

const PROGRAMS: &[StartedProgram] = &[
    StartedProgram { dependency: "fluent-ffmpeg", program: "ffmpeg", package: "ffmpeg", unless: FFMPEG },
    StartedProgram { dependency: "puppeteer", program: "Chrome", package: "chromium", unless: CHROMIUM },
    StartedProgram { dependency: "playwright", program: "a browser", package: "chromium", unless: CHROMIUM },
    StartedProgram { dependency: "playwright-chromium", program: "a browser", package: "chromium", unless: CHROMIUM },
    starts("simple-git", "git", "git"),
    starts("gm", "GraphicsMagick", "graphicsmagick"),
    starts("imagemagick", "ImageMagick", "imagemagick"),
    starts("pdf2pic", "GraphicsMagick", "graphicsmagick"),
    starts("node-poppler", "Poppler", "poppler-utils"),
    starts("pdf-poppler", "Poppler", "poppler-utils"),
    starts("node-tesseract-ocr", "tesseract", "tesseract-ocr"),
    starts("libreoffice-convert", "LibreOffice", "libreoffice"),
    starts("wkhtmltopdf", "wkhtmltopdf", "wkhtmltopdf"),
];

/// Where Debian and Alpine install Chromium.
const CHROMIUM_PATH: &str = "/usr/bin/chromium";

/// The packages, each once.
pub(super) fn plan_system_packages(
    inputs: Inputs<'_>,
    base: &BasePlan,
    mode: ImageMode,
    secrets: &BTreeMap<String, PlannedSecret>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<SystemPackage>, PlanError> {
    let mut packages = Packages { list: Vec::new(), has_server: mode != ImageMode::Export };
    packages.add_detected(inputs, secrets, warnings);
    for module in &inputs.facts.install.native_modules {
        packages.add_native(module, base, warnings);
    }
    let settings = inputs.settings;
    if let Some(package) = settings.packages.first().filter(|_| base.flavour == BaseFlavour::Distroless) {
        return Err(PlanError::PackagesInDistroless {
            package: package.value.clone(),
            origin: package.origin.to_string(),
        });
    }
    for (list, runtime) in [(&settings.packages, true), (&settings.build_packages, false)] {
        for Sourced { value, origin } in list {
            packages.add(SystemPackage {
                debian: value.clone(),
                alpine: value.clone(),
                command: None,
                reason: origin.to_string(),
                runtime,
            });
        }
    }
    // Whoever names another image has chosen what it contains.
    if packages.has_server && base.flavour != BaseFlavour::Custom {
        warnings.extend(PROGRAMS.iter().filter_map(|program| missing_program(inputs, base, program)));
    }
    Ok(packages.list)
}

struct Packages {
    list: Vec<SystemPackage>,
    /// The image runs code of the project.
    has_server: bool,
}

impl Packages {
    fn add(&mut self, package: SystemPackage) {
        match self.list.iter_mut().find(|known| known.debian == package.debian) {
            Some(known) => known.runtime |= package.runtime,
            None => self.list.push(package),
        }
    }

    /// A package with the same name as its command, in the build stages.
    fn add_command(&mut self, (debian, alpine, command): (&str, &str, &'static str), reason: String) {
        let (debian, alpine) = (debian.to_owned(), alpine.to_owned());
        self.add(SystemPackage { debian, alpine, command: Some(command), reason, runtime: false });
    }

    fn add_detected(
        &mut self,
        inputs: Inputs<'_>,
        secrets: &BTreeMap<String, PlannedSecret>,
        warnings: &mut Vec<Warning>,
    ) {
        let needs = &inputs.facts.install;
        if let Some(prisma) = &needs.prisma {
            let version = prisma.version.as_deref().unwrap_or_default();
            let version = version.trim_start_matches(|c: char| !c.is_ascii_digit());
            let major: u32 = version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0);
            if major < 7 {
                let reason = "Prisma before 7 has engines that are linked to OpenSSL".to_owned();
                let name = "openssl".to_owned();
                let (debian, alpine, runtime) = (name.clone(), name, self.has_server);
                self.add(SystemPackage { debian, alpine, command: Some("openssl"), reason, runtime });
            }
        }
        if needs.needs_git {
            self.add_command(("git", "git", "git"), "a dependency is fetched by git".to_owned());
        }
        if let Some(first) = needs.ssh_dependencies.first() {
            let reason = format!("`{first}` is fetched over SSH");
            self.add_command(("openssh-client", "openssh-client", "ssh"), reason);
            if !secrets.contains_key(SSH_SECRET) {
                let names: Vec<String> = needs.ssh_dependencies.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("the install fetches {} over SSH, and has no key for it", names.join(", "));
                let hint =
                    format!("pass a deploy key with `--secret-file {SSH_SECRET}=PATH`, or depend on `git+https://…`");
                warnings.push(Warning::new("plan/missing-ssh-key", message).with_hint(hint));
            }
        }
    }

    fn add_native(&mut self, module: &NativeModule, base: &BasePlan, warnings: &mut Vec<Warning>) {
        let name = [module.name.as_str(), module.version.as_str()].join(" ");
        let reason = format!("`{}` is compiled when it is installed", name.trim_end());
        for compiler in COMPILERS {
            self.add_command(compiler, reason.clone());
        }
        let Some(needs) = LIBRARIES.iter().find(|needs| needs.module == module.name) else { return };
        let is_run = !module.development_only && self.has_server;
        for (list, runtime) in [(needs.headers, false), (needs.libraries, true)] {
            for (debian, alpine) in list.iter().filter(|_| is_run || !runtime) {
                let (debian, alpine) = ((*debian).to_owned(), (*alpine).to_owned());
                let reason = format!("a library of `{}`", module.name);
                self.add(SystemPackage { debian, alpine, command: None, reason, runtime });
            }
        }
        if is_run && base.flavour == BaseFlavour::Distroless {
            let names: Vec<&str> = needs.libraries.iter().map(|(debian, _)| *debian).collect();
            let message = format!(
                "`{}` may need {} when it runs, which a distroless image cannot have",
                module.name,
                names.join(", ")
            );
            let hint = "use `--base slim`, which gets these packages";
            warnings.push(Warning::new("plan/missing-libraries", message).with_hint(hint));
        }
    }
}

fn missing_program(inputs: Inputs<'_>, base: &BasePlan, started: &StartedProgram) -> Option<Warning> {
    let dependencies = &inputs.facts.install.production_dependencies;
    let origin = dependencies.get(started.dependency)?;
    let is_given =
        inputs.settings.packages.iter().any(|package| package_name(&package.value).contains(started.package));
    let has_own = inputs.settings.env.contains_key("PUPPETEER_EXECUTABLE_PATH") && started.package == "chromium";
    if is_given || has_own || started.unless.iter().any(|other| dependencies.contains_key(*other)) {
        return None;
    }
    let (dependency, program) = (started.dependency, started.program);
    let message = format!("`{dependency}` ({origin}) starts {program}, which is not in the image");
    let distroless = if base.flavour == BaseFlavour::Distroless { "--base slim " } else { "" };
    let hint = match (started.package, dependency) {
        ("chromium", "puppeteer") => format!("add it with `{distroless}--package chromium`"),
        ("chromium", _) => {
            format!("add it with `{distroless}--package chromium`, and launch `{CHROMIUM_PATH}` (`executablePath`)")
        }
        (package, _) => format!("add it with `{distroless}--package {package}`"),
    };
    Some(Warning::new("plan/missing-program", message).with_hint(hint))
}

/// A package without its version.
fn package_name(package: &str) -> &str {
    package.split('=').next().unwrap_or(package)
}

/// The browser that Puppeteer finds only by this variable, when it is a package of the image.
pub(super) fn browser_variable(inputs: Inputs<'_>) -> Option<(String, Sourced<String>)> {
    let package = inputs.settings.packages.iter().find(|package| package_name(&package.value) == "chromium")?;
    inputs.facts.install.production_dependencies.contains_key("puppeteer").then(|| {
        let origin = Origin::Derived(format!("the package `chromium` ({})", package.origin));
        ("PUPPETEER_EXECUTABLE_PATH".to_owned(), Sourced::new(CHROMIUM_PATH.to_owned(), origin))
    })
}
