//! The options that harden units, each alone and all at once. Bare the server dies; with the drop-in it lives, and the
//! journal gets the event.

use nopipe_tests::clients::Departure;
use nopipe_tests::event::Event;
use nopipe_tests::suite::ensure;

use crate::case::{Test, dies, test};
use crate::journal::{PEER_VANISHED, field};
use crate::machine::{Machine, wait_for};
use crate::unit::Unit;

/// How the event reaches the journal.
#[derive(Clone, Copy)]
enum Way {
    /// As a datagram, with all fields.
    Native,
    /// As a line on standard error.
    Stderr,
}

struct Hardening {
    name: &'static str,
    settings: &'static str,
    way: Way,
}

const HARDENINGS: [Hardening; 10] = [
    native("User=", "User=daemon\nNoNewPrivileges=yes\nCapabilityBoundingSet="),
    native("DynamicUser", "DynamicUser=yes"),
    native(
        "ProtectSystem=strict",
        "ProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nPrivateDevices=yes\nProtectKernelTunables=yes",
    ),
    native("SystemCallFilter=@system-service", "SystemCallFilter=@system-service"),
    native("MemoryDenyWriteExecute", "MemoryDenyWriteExecute=yes"),
    native("ProcSubset=pid", "ProcSubset=pid\nProtectProc=invisible"),
    native("PrivateUsers", "PrivateUsers=yes"),
    native(
        "RootDirectory",
        "RootDirectory=/srv/jail\nBindReadOnlyPaths=/usr /lib /lib64\nMountAPIVFS=yes",
    ),
    Hardening {
        name: "RestrictAddressFamilies=AF_INET",
        settings: "RestrictAddressFamilies=AF_INET",
        way: Way::Stderr,
    },
    native(
        "all at once",
        "DynamicUser=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nPrivateDevices=yes\nPrivateUsers=yes\n\
         SystemCallFilter=@system-service\nMemoryDenyWriteExecute=yes\nRestrictAddressFamilies=AF_INET AF_UNIX\n\
         ProtectKernelTunables=yes\nProtectKernelLogs=yes\nProtectControlGroups=yes\nProtectProc=invisible\n\
         RestrictNamespaces=yes\nRestrictRealtime=yes\nLockPersonality=yes\nNoNewPrivileges=yes\n\
         CapabilityBoundingSet=\nSystemCallArchitectures=native\nUMask=0077",
    ),
];

const fn native(name: &'static str, settings: &'static str) -> Hardening {
    Hardening {
        name,
        settings,
        way: Way::Native,
    }
}

pub fn tests() -> Vec<Test> {
    let all = HARDENINGS.iter().enumerate();
    all.map(|(number, hardening)| {
        test(format!("hardening: {}", hardening.name), move |machine| {
            lives(machine, number, hardening)
        })
    })
    .collect()
}

fn lives(machine: &Machine, number: usize, hardening: &Hardening) -> Result<(), String> {
    // For RootDirectory=.
    machine.run("mkdir --parents /srv/jail")?;
    let unit = Unit::start(machine, &format!("hardened-{number}"), hardening.settings)?;
    dies(&unit)?;
    unit.protect("")?;
    let client = unit.client_vanishes(Departure::Reset)?.to_string();
    let matches = match hardening.way {
        Way::Native => ["_TRANSPORT=journal", PEER_VANISHED],
        Way::Stderr => ["_TRANSPORT=stdout", "SYSLOG_IDENTIFIER=server"],
    };
    wait_for(&format!("the line about {client}"), || {
        let entries = unit.events(0, &matches)?;
        let lines = entries.iter().filter_map(|entry| field(entry, "MESSAGE").ok());
        let events = lines.filter_map(|line| Event::parse(line).ok());
        let about_client = |event: &Event| event.message == "peer vanished" && event.get("peer") == Some(&client);
        Ok((events.filter(about_client).count() == 1).then_some(()))
    })?;
    unit.answers()?;
    ensure(unit.fate()?.active, "the server is dead")
}
