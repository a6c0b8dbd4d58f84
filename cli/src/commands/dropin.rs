//! `nopipe dropin`: the drop-in that puts a systemd unit under the library.

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
            "{}: not installed: without the library, IgnoreSIGPIPE=no would expose the service (--force installs)",
            unit.name
        );
        return Err(Error::new(Exit::Refused, message));
    }
    if let Some(messages) = verify(&manager, &unit, &text)? {
        complain(&format!(
            "{}: systemd-analyze verify fails without the drop-in, too:\n{messages}",
            unit.name
        ));
    }
    let path = install(&manager, &unit.name, &text)?;
    print(&format!(
        "installed {}\nIt takes effect when the service starts next: {} restart {}\n",
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
            "removed {}\nThe running service keeps the library until it starts next: {} restart {name}\n",
            path.display(),
            manager.command_line()
        ),
    })
}
