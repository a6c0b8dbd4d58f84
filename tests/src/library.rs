//! Builds the library under test, and the launcher. `cargo test` alone does not: the tests would load a stale library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use object::{Object, ObjectSymbol};
use serde_json::Value;

/// How the library is built: a profile of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `cargo build`.
    Dev,
    /// `cargo build --release`.
    Release,
}

/// A library that was built, as a file.
#[derive(Debug)]
pub struct Library {
    /// The file, absolute.
    pub path: PathBuf,
    /// The GNU build-id, in hex.
    pub build_id: String,
}

/// The library, built now: `cargo build` runs once for each profile in this process.
///
/// # Panics
/// When it does not build.
pub fn library(profile: Profile) -> &'static Library {
    static DEV: OnceLock<Library> = OnceLock::new();
    static RELEASE: OnceLock<Library> = OnceLock::new();
    let cell = match profile {
        Profile::Dev => &DEV,
        Profile::Release => &RELEASE,
    };
    cell.get_or_init(|| Library::at(build(profile)))
}

/// An environment variable: cargo's target folder, where everything has just been built. Nothing is built then:
/// `scripts/test-root` runs the suites in another Debian, which has no cargo.
pub const PREBUILT_TARGET_DIR: &str = "PREBUILT_TARGET_DIR";

fn build(profile: Profile) -> PathBuf {
    if let Some(target) = std::env::var_os(PREBUILT_TARGET_DIR) {
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        return Path::new(&target).join(folder).join("libnopipe.so");
    }
    let mut command = cargo_build("nopipe", profile);
    command.arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "the library does not build ({profile:?})");
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|message| shared_object(&message))
        .expect("cargo names libnopipe.so among what it built")
}

/// The path of the launcher, `nopipe`, built for release now, once in this process.
///
/// # Panics
/// When it does not build.
pub fn launcher() -> &'static Path {
    static LAUNCHER: OnceLock<PathBuf> = OnceLock::new();
    LAUNCHER.get_or_init(|| {
        // Cargo puts it beside the library.
        let launcher = library(Profile::Release).path.with_file_name("nopipe");
        if std::env::var_os(PREBUILT_TARGET_DIR).is_some() {
            return launcher;
        }
        let mut command = cargo_build("nopipe-cli", Profile::Release);
        let status = command.arg("--quiet").status().expect("cargo runs");
        assert!(status.success(), "the launcher does not build");
        launcher
    })
}

fn cargo_build(package: &str, profile: Profile) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--package", package])
        .current_dir(crate::paths::workspace())
        .env_remove("LD_PRELOAD");
    if profile == Profile::Release {
        command.arg("--release");
    }
    command
}

/// The path in cargo's message, if the message is about the library's shared object.
fn shared_object(message: &Value) -> Option<PathBuf> {
    message["filenames"]
        .as_array()?
        .iter()
        .filter_map(|name| name.as_str())
        .find(|name| name.ends_with("/libnopipe.so"))
        .map(PathBuf::from)
}

impl Library {
    /// The library at `path`.
    ///
    /// # Panics
    /// When it cannot be read, or has no build-id.
    pub fn at(path: PathBuf) -> Self {
        let build_id = with_object(&path, |object| {
            let id = object.build_id().ok().flatten().expect("the library has a build-id");
            id.iter().map(|byte| format!("{byte:02x}")).collect()
        });
        Library { path, build_id }
    }

    /// The names of the functions that it exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        with_object(&self.path, |object| {
            let mut names: Vec<String> = object
                .dynamic_symbols()
                .filter(|symbol| symbol.is_definition() && symbol.is_global())
                .filter_map(|symbol| symbol.name().ok().map(String::from))
                .collect();
            names.sort();
            names
        })
    }

    /// Makes `command` run under the library, with one text log for each process in `log_dir`, everything shown.
    pub fn preload(&self, command: &mut Command, log_dir: &Path) {
        bare(command);
        command
            .env("LD_PRELOAD", &self.path)
            .env("NOPIPE_LOG", format!("file:{}/%p.log", log_dir.display()))
            .env("NOPIPE_FORMAT", "text")
            .env("NOPIPE_LEVEL", "debug");
    }
}

/// Makes `command` run without the library and without its settings, whatever this process was started with.
pub fn bare(command: &mut Command) {
    command.env_remove("LD_PRELOAD");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NOPIPE_") {
            command.env_remove(name);
        }
    }
}

fn with_object<T>(path: &Path, read: impl FnOnce(&object::File<'_>) -> T) -> T {
    let data = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let object = object::File::parse(&*data).expect("the library is an ELF file");
    read(&object)
}
