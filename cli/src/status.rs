//! `nopipe status`: the counters of running servers.
#[derive(clap::Args)]
pub struct Args {}
pub fn run(_: &Args) -> crate::failure::Result<()> {
    Ok(())
}
