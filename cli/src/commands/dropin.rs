//! `nopipe dropin`: writes the drop-ins that put systemd services under the library.

use std::fmt::Write;
use std::path::PathBuf;

use crate::error::{Error, Exit, Result};
use crate::library::{self, Library};
use crate::output::{complain, print};
use crate::page::Page;
use crate::setting::{self, Setting};
use crate::systemd::dropin::{self, Form};
use crate::systemd::hindrance::{self, Effect, Hindrance};
use crate::systemd::install::{Removal, install, installed, is_installed, remove};
use crate::systemd::manager::Manager;
use crate::systemd::placement::Placement;
use crate::systemd::unit::{self, Unit};
use crate::systemd::verify::verify;

/// See [`Page`].
pub const PAGE: Page = Page {
    examples: &[
        (
            "nopipe dropin nginx",
            "shows the drop-in, and what in the unit stands in its way",
        ),
        ("nopipe dropin nginx --install", "puts it in place and reloads systemd"),
        (
            "nopipe dropin nginx game@.service --install --set NOPIPE_RATE=50/10",
            "two units, with a setting",
        ),
        ("nopipe dropin nginx --check", "for Ansible and the like"),
        ("nopipe dropin --remove --all", "before the library is removed"),
    ],
    exit: &[
        (0, "success; also when there was nothing to remove"),
        (1, "any other error: see standard error"),
        (2, "the command line is wrong; a pattern instead of a unit's name"),
        (3, "no such unit, or not a service"),
        (4, "permission denied"),
        (7, "systemd is not running, or does not answer"),
        (
            8,
            "refused: the service would be worse off, or would not start; a part of the system; the library is another file",
        ),
        (9, "--check: something would change"),
    ],
    files: &[
        ("/etc/systemd/system/UNIT.d/zz-nopipe.conf", "the drop-in"),
        ("~/.config/systemd/user/UNIT.d/zz-nopipe.conf", "the same, with --user"),
    ],
    see_also: "nopipe(1), nopipe-check(1), nopipe-status(1), libnopipe(7), systemd.unit(5), systemd.exec(5)",
};

/// Make systemd services load the library, with a drop-in
///
/// Each unit's current settings are read and its own LD_PRELOAD is kept. Comments in the drop-in explain it and name
/// every option of the unit that keeps the library out or limits it. Nothing is changed without --install or --remove;
/// and nothing at all if one of several units is not fit.
///
/// A drop-in has IgnoreSIGPIPE=no only where it can be seen that the server loads the library. Elsewhere, as with
/// --observe, SIGPIPE stays ignored: without the library the service then survives as it does now.
#[derive(clap::Args)]
#[command(after_help = PAGE.help())]
pub struct Args {
    /// The services: nginx or nginx.service; a template: name@.service
    #[arg(value_name = "UNIT", required_unless_present_any = ["list", "all"])]
    units: Vec<String>,

    /// Write the drop-ins to standard output, the default
    #[arg(long, group = "action")]
    print: bool,

    /// Check the drop-ins with systemd-analyze, put them in place and reload systemd
    ///
    /// The services are not restarted. Where a drop-in is there already and would not change, nothing is done.
    #[arg(long, group = "action")]
    install: bool,

    /// Exit with 0 if each drop-in is in place and would not change, else with 9; change nothing
    #[arg(long, group = "action")]
    check: bool,

    /// Remove the drop-ins and reload systemd
    ///
    /// Do this before you remove the library. Otherwise the dynamic linker writes an error message whenever the
    /// service starts a program.
    #[arg(long, group = "action")]
    remove: bool,

    /// Show the services that have a drop-in
    #[arg(long, group = "action", conflicts_with = "units")]
    list: bool,

    /// With --remove: every drop-in that --list shows
    #[arg(long, requires = "remove", conflicts_with = "units")]
    all: bool,

    /// Use the calling user's own systemd, like systemctl --user
    #[arg(long)]
    user: bool,

    /// The library: an absolute path, which may have $LIB in it, or a file name that the dynamic linker finds
    ///
    /// Default: libnopipe.so if it is in a system library folder, else the one next to this program.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,

    /// Leave SIGPIPE ignored, as systemd starts a service: if the library is lost, the service lives on as before
    #[arg(long)]
    observe: bool,

    /// A setting of the library for these services: NOPIPE_RATE=5/1 (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting::parse)]
    set: Vec<Setting>,

    /// Install even if the library would not be loaded, the service could be killed or fail to start, or the unit is a part
    /// of the system
    #[arg(long)]
    force: bool,
}

/// What is to be done for one unit.
struct Plan {
    unit: Unit,
    hindrances: Vec<Hindrance>,
    text: String,
}

pub fn run(args: &Args) -> Result<()> {
    let manager = Manager { user: args.user };
    if args.list {
        return list(&manager);
    }
    let names: Vec<_> = args
        .units
        .iter()
        .map(|unit| unit::full_name(unit))
        .collect::<Result<_>>()?;
    if args.remove {
        return match args.all {
            true => remove_all(&manager, installed(&manager)?.into_iter().map(|(unit, _)| unit)),
            // A drop-in may have outlived its unit.
            false => remove_all(
                &manager,
                names
                    .into_iter()
                    .map(|name| Unit::read(&manager, &name).map_or(name, |unit| unit.name)),
            ),
        };
    }
    let library = library::find(args.library.as_deref())?;
    let plans: Vec<_> = names
        .iter()
        .map(|name| plan(args, &manager, &library, name))
        .collect::<Result<_>>()?;
    if args.check {
        return check(&manager, &plans);
    }
    if args.install {
        return install_all(args, &manager, &plans);
    }
    print(
        &plans
            .iter()
            .map(|plan| plan.text.as_str())
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

fn plan(args: &Args, manager: &Manager, library: &Library, name: &str) -> Result<Plan> {
    let unit = Unit::read(manager, name)?;
    let placement = Placement::in_unit(library, &unit);
    let hindrances = hindrance::all(&unit, library);
    let is_proved = hindrances.iter().all(|hindrance| hindrance.effect == Effect::Limits);
    let form = match args.observe || !(is_proved || args.force) {
        true => Form::Observe,
        false => Form::Full,
    };
    let text = dropin::text(&unit, &placement, &hindrances, form, &args.set, args.user);
    Ok(Plan { unit, hindrances, text })
}

fn list(manager: &Manager) -> Result<()> {
    let lines = installed(manager)?
        .into_iter()
        .map(|(unit, path)| format!("{unit} {}\n", path.display()));
    print(&lines.collect::<String>())
}

fn check(manager: &Manager, plans: &[Plan]) -> Result<()> {
    let mut changed = Vec::new();
    for plan in plans {
        if !is_installed(manager, &plan.unit.name, &plan.text)? {
            changed.push(plan.unit.name.as_str());
        }
    }
    match changed.is_empty() {
        true => Ok(()),
        false => Err(Error::new(
            Exit::WouldChange,
            format!("would change: {}", changed.join(" ")),
        )),
    }
}

fn install_all(args: &Args, manager: &Manager, plans: &[Plan]) -> Result<()> {
    let mut unfit = None;
    for plan in plans {
        for hindrance in &plan.hindrances {
            complain(&format!("{}: {hindrance}", plan.unit.name));
        }
        if let (Some(why), false) = (refusal(plan), args.force) {
            unfit = unfit.or(Some(Error::new(Exit::Refused, why)));
        }
    }
    if let Some(error) = unfit {
        return Err(error);
    }
    let mut changed = Vec::new();
    for plan in plans {
        if !is_installed(manager, &plan.unit.name, &plan.text)? {
            if let Some(messages) = verify(manager, &plan.unit, &plan.text)? {
                complain(&format!(
                    "{}: systemd-analyze verify fails even without the drop-in:\n{messages}",
                    plan.unit.name
                ));
            }
            changed.push(plan);
        }
    }
    let mut said = String::new();
    for plan in &changed {
        let path = install(manager, &plan.unit.name, &plan.text)?;
        let _ = writeln!(said, "installed {}", path.display());
    }
    for plan in plans {
        if !changed.iter().any(|one| one.unit.name == plan.unit.name) {
            let _ = writeln!(said, "unchanged {}", plan.unit.name);
        }
    }
    if !changed.is_empty() {
        manager.reload()?;
        let names: Vec<_> = changed.iter().map(|plan| plan.unit.name.as_str()).collect();
        let _ = writeln!(
            said,
            "It takes effect at the next start of the service: {} restart {}",
            manager.command_line(),
            names.join(" ")
        );
    }
    print(&said)
}

/// Why a drop-in is not installed without `--force`.
fn refusal(plan: &Plan) -> Option<String> {
    let name = &plan.unit.name;
    if unit::is_system(name) {
        return Some(format!(
            "{name}: not installed: it is a part of the system itself, which the machine does not run without (--force installs all the same)"
        ));
    }
    let stops = plan
        .hindrances
        .iter()
        .any(|hindrance| hindrance.effect == Effect::Stops);
    stops.then(|| {
        format!(
            "{name}: not installed: without the library, IgnoreSIGPIPE=no would leave the service worse off (--force installs all the same)"
        )
    })
}

fn remove_all(manager: &Manager, names: impl Iterator<Item = String>) -> Result<()> {
    let (mut said, mut removed) = (String::new(), Vec::new());
    for name in names {
        match remove(manager, &name)? {
            Removal::NothingThere(path) => {
                let _ = writeln!(said, "nothing to remove: there is no {}", path.display());
            }
            Removal::Removed(path) => {
                let _ = writeln!(said, "removed {}", path.display());
                removed.push(name);
            }
        }
    }
    if !removed.is_empty() {
        manager.reload()?;
        let _ = writeln!(
            said,
            "A running service keeps the library until it is restarted: {} restart {}",
            manager.command_line(),
            removed.join(" ")
        );
    } else if said.is_empty() {
        said.push_str("nothing to remove\n");
    }
    print(&said)
}
