//! What a relay says when it cannot work, and that it ends with the right code.

use super::World;
use super::postgres::PASSWORD;
use crate::fault::{Result, While, require};
use crate::stages::Tally;

/// Starts a relay in every way that cannot work.
pub(super) fn run(world: &World<'_>) -> Result<Tally> {
    let cluster = &world.cluster;
    let authority = cluster.authority();
    let verified =
        |url: String, mode: &str| format!("{url}?sslmode={mode}&sslrootcert={}", authority.display());
    let by_network = || cluster.by_network("relay", PASSWORD);
    let mut tally = Tally::default();
    let mut check = |from: &str, more: &[&str], code: i32, why: &str| -> Result<()> {
        // Without `--once`: what is wrong from the start must not be waited for.
        let output = world.relay(from, more).output().while_doing("relay")?;
        let said = String::from_utf8_lossy(&output.stderr);
        require!(
            output.status.code() == Some(code) && said.contains(why),
            "relay {from} {more:?} ended with {:?} rather than {code}: {said}",
            output.status.code()
        );
        require!(!said.contains(PASSWORD), "the password is shown: {said}");
        println!("{}", said.lines().next().unwrap_or_default());
        tally.add(Tally::one());
        Ok(())
    };
    check(&by_network(), &[], 3, "pg_hba.conf")?;
    check(
        &verified(cluster.by_network("relay", "wrong"), "require"),
        &[],
        3,
        "password authentication failed",
    )?;
    check(&format!("{}?sslmode=verify-full", by_network()), &[], 3, "UnknownIssuer")?;
    let other_name = by_network().replace("localhost", "127.0.0.1");
    check(&verified(other_name, "verify-full"), &[], 3, "not valid for name")?;
    check(&cluster.by_socket("nobody"), &[], 3, "role \"nobody\" does not exist")?;
    check(
        &cluster.by_socket("relay").replace("/shop?", "/none?"),
        &[],
        4,
        "database \"none\" does not exist",
    )?;
    check(&cluster.by_socket("relay"), &["--table", "none"], 4, "table `none` does not exist")?;
    check(&cluster.by_socket("stranger"), &[], 3, "the role may not select, delete")?;
    check(&cluster.by_socket("relay"), &["--table", "orders"], 2, "no column `id`")?;
    check(&verified(by_network(), "verify-full"), &["--once"], 0, "relaying")?;
    Ok(tally)
}
