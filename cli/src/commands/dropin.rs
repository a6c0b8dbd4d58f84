//! `nopipe dropin`: writes the drop-in that puts a systemd unit under the library.

use std::path::PathBuf;

use crate::error::{EXIT_STATUS, Error, Exit, Result};
use crate::library;
use crate::output::{complain, print};
use crate::systemd::install::{Removal, install, remove};
use crate::systemd::manager::Manager;
use crate::systemd::placement::Placement;
use crate::systemd::unit::{self, Unit};
use crate::systemd::verify::verify;
use crate::systemd::{dropin, hindrance};

/// Make a systemd service load the library, with a drop-in
///
/// The unit's current settings are read and its own LD_PRELOAD is kept. Comments in the drop-in explain it and name
/// every option of the unit that keeps the library out or limits it. Nothing is changed without --install or --remove.
#[derive(clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct Args {
    /// The service: nginx or nginx.service; a template: name@.service
    unit: String,

    /// Write the drop-in to standard output, the default
    #[arg(long, group = "action")]
    print: bool,

    /// Check the drop-in with systemd-analyze, put it in place and reload systemd
    ///
    /// The service is not restarted.
    #[arg(long, group = "action")]
    install: bool,

    /// Remove the drop-in and reload systemd
    ///
    /// Do this before you remove the library. Otherwise the dynamic linker writes an error message whenever the
    /// service starts a program.
    #[arg(long, group = "action")]
    remove: bool,

    /// Use the calling user's own systemd, like systemctl --user
    #[arg(long)]
    user: bool,

    /// The library: an absolute path, or a file name that the dynamic linker finds
    ///
    /// Default: libnopipe.so if it is in a system library folder, else the one next to this program.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,

    /// Install even if the library would not be loaded, or the service could be killed or fail to start
    #[arg(long, requires = "install")]
    force: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let manager = Manager { user: args.user };
    let name = unit::full_name(&args.unit)?;
    if args.remove {
        return run_remove(&manager, &name);
    }
    let unit = Unit::read(&manager, &name)?;
    let library = library::find(args.library.as_deref())?;
    let placement = Placement::in_unit(&library, &unit);
    let hindrances = hindrance::all(&unit, &library);
    let text = dropin::text(&unit, &placement, &hindrances, args.user);
    if !args.install {
        return print(&text);
    }
    for hindrance in &hindrances {
        complain(&format!("{}: {hindrance}", unit.name));
    }
    if hindrances.iter().any(|hindrance| hindrance.stops) && !args.force {
        let message = format!(
            "{}: not installed: without the library, IgnoreSIGPIPE=no would leave the service worse off (--force installs all the same)",
            unit.name
        );
        return Err(Error::new(Exit::Refused, message));
    }
    if let Some(messages) = verify(&manager, &unit, &text)? {
        complain(&format!(
            "{}: systemd-analyze verify fails even without the drop-in:\n{messages}",
            unit.name
        ));
    }
    let path = install(&manager, &unit.name, &text)?;
    print(&format!(
        "installed {}\nIt takes effect at the next start of the service: {} restart {}\n",
        path.display(),
        manager.command_line(),
        unit.name
    ))
}

fn run_remove(manager: &Manager, name: &str) -> Result<()> {
    // The drop-in may have outlived its unit.
    let name = Unit::read(manager, name).map_or_else(|_| name.to_owned(), |unit| unit.name);
    print(&match remove(manager, &name)? {
        Removal::NothingThere(path) => format!("nothing to remove: there is no {}\n", path.display()),
        Removal::Removed(path) => format!(
            "removed {}\nThe running service keeps the library until it is restarted: {} restart {name}\n",
            path.display(),
            manager.command_line()
        ),
    })
}
