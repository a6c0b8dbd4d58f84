//! `nopipe dropin`: the drop-in that puts a systemd unit under the library.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::{EXIT_STATUS, Error, Exit, Result};
use crate::library;
use crate::output::{complain, print};
use crate::systemd::unit::{Manager, Unit};
use crate::systemd::{dropin, hindrance, unit};

/// The last of a unit's drop-ins counts, and they are read in the order of their names.
const FILE_NAME: &str = "zz-nopipe.conf";

/// Put a systemd service under the library, by a drop-in
///
/// Reads what the unit says now, keeps its LD_PRELOAD, and names each of its options that stands in the way. The
/// drop-in explains itself in comments. Nothing is changed without --install or --remove.
#[derive(clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct Args {
    /// The service, such as nginx or nginx.service; a template as name@.service
    unit: String,

    /// Show the drop-in on standard output [this is the default]
    #[arg(long, group = "action")]
    print: bool,

    /// Check the drop-in with systemd-analyze, put it in place and reload systemd
    ///
    /// The service itself is not restarted.
    #[arg(long, group = "action")]
    install: bool,

    /// Remove the drop-in and reload systemd
    ///
    /// Do so before the library is removed: the dynamic linker complains at every start of a program whose
    /// LD_PRELOAD it does not find.
    #[arg(long, group = "action")]
    remove: bool,

    /// The unit is one of the calling user's own
    #[arg(long)]
    user: bool,

    /// The library: an absolute path, or a bare name that the dynamic linker finds
    ///
    /// Default: libnopipe.so if it lies in a system library folder, else the one beside this program.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,

    /// Install although the library would not be loaded, or would harm
    #[arg(long, requires = "install")]
    force: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let manager = Manager { user: args.user };
    let name = unit::full_name(&args.unit)?;
    if args.remove {
        return remove(&manager, &name);
    }
    let unit = Unit::read(&manager, &name)?;
    let library = library::find(args.library.as_deref())?;
    let placed = library::Placed::in_unit(&library, &unit);
    let hindrances = hindrance::all(&unit, &library);
    let text = dropin::dropin(&unit, &placed, &hindrances, args.user);
    if !args.install {
        return print(&text);
    }
    for hindrance in &hindrances {
        complain(&format!("{}: {hindrance}", unit.name));
    }
    if hindrances.iter().any(|hindrance| hindrance.stops) && !args.force {
        let message = format!(
            "{}: not installed: without the library, IgnoreSIGPIPE=no would expose the service (--force installs)",
            unit.name
        );
        return Err(Error::new(Exit::Refused, message));
    }
    verify(&manager, &unit, &text)?;
    let path = manager.folder()?.join(format!("{}.d", unit.name)).join(FILE_NAME);
    write_by_rename(&path, &text)?;
    manager.reload()?;
    print(&format!(
        "installed {}\nIt takes effect when the service starts next: {} restart {}\n",
        path.display(),
        manager.command_line(),
        unit.name
    ))
}

fn remove(manager: &Manager, name: &str) -> Result<()> {
    // The unit may be gone already, and the drop-in still there.
    let name = Unit::read(manager, name).map_or_else(|_| name.to_owned(), |unit| unit.name);
    let folder = manager.folder()?.join(format!("{name}.d"));
    let path = folder.join(FILE_NAME);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return print(&format!("nothing to remove: there is no {}\n", path.display()));
        }
        Err(error) => return Err(Error::of_file(&path)(error)),
    }
    // It stays if other drop-ins are in it.
    let _ = fs::remove_dir(&folder);
    manager.reload()?;
    print(&format!(
        "removed {}\nThe running service keeps the library until it starts next: {} restart {name}\n",
        path.display(),
        manager.command_line()
    ))
}

/// Lets `systemd-analyze verify` judge the unit together with the drop-in, which is in a folder of its own meanwhile.
/// What is wrong with the unit anyway is no reason to refuse.
fn verify(manager: &Manager, unit: &Unit, text: &str) -> Result<()> {
    let bare = tempfile::tempdir().map_err(Error::while_doing("temporary folder"))?;
    let with_dropin = tempfile::tempdir().map_err(Error::while_doing("temporary folder"))?;
    write_by_rename(
        &with_dropin.path().join(format!("{}.d", unit.name)).join(FILE_NAME),
        text,
    )?;
    let analyze = |folder: &Path| -> Result<Output> {
        Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(manager.user.then_some("--user"))
            .arg(unit.file())
            // The colon at the end: and the usual folders.
            .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()))
            .env("LC_ALL", "C")
            .output()
            .map_err(Error::while_doing("systemd-analyze"))
    };
    let judged = analyze(with_dropin.path())?;
    let said = String::from_utf8_lossy(&judged.stderr);
    let said = said.trim_end();
    if !said.contains(&*with_dropin.path().to_string_lossy()) {
        if judged.status.success() {
            return Ok(());
        }
        if !analyze(bare.path())?.status.success() {
            complain(&format!(
                "{}: systemd-analyze verify fails without the drop-in, too:\n{said}",
                unit.name
            ));
            return Ok(());
        }
    }
    let message = format!("{}: not installed: systemd-analyze verify says\n{said}", unit.name);
    Err(Error::new(Exit::Refused, message))
}

/// So that systemd never reads half of it.
fn write_by_rename(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(".nopipe-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(Error::of_file(path))
}
