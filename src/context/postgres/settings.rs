//! Where the store is, as which role Kavi logs in, and the SQL that makes it.
//!
//! Guarantees: the address is a Unix socket or this machine, and has no password. Names that go into SQL are plain words.
//! Deliberately never: connects.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;
use uuid::Uuid;

use crate::context::store::GovernanceStoreError;

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(2);

/// What a session has: names are looked up in the catalogue alone, so that nobody's schema can stand in between.
const OPTIONS: &str = "-c search_path=pg_catalog -c row_security=on";

const SCHEMA: &str = include_str!("schema.sql");

/// Where one workspace has its rows.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    pub(super) config: Config,
    pub(super) workspace: Uuid,
}

fn wrong(why: impl Into<String>) -> GovernanceStoreError {
    GovernanceStoreError::Settings(why.into())
}

impl PostgresSettings {
    /// Reads the address and the id of the workspace.
    ///
    /// # Errors
    /// [`GovernanceStoreError::Settings`].
    pub fn parse(url: &str, workspace: &str) -> Result<Self, GovernanceStoreError> {
        let workspace = Uuid::parse_str(workspace).map_err(|_| wrong("`workspace_id` is not a UUID"))?;
        // What the parser says could repeat the address, and somebody may have put a password into it.
        let mut config: Config = url.parse().map_err(|_| wrong("`store` is not an address postgres://…"))?;
        if config.get_password().is_some() {
            let why = "`store` has a password, and kavi.toml is no place for one; let PostgreSQL accept the role by \
                 its account on a Unix socket (`peer`)";
            return Err(wrong(why));
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(wrong("`store` needs a role and a database: postgres://ROLE@/DATABASE?host=/run/postgresql"));
        }
        let is_local = |host: &Host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback()),
            Host::Unix(_) => true,
        };
        let addresses = config.get_hostaddrs();
        if config.get_hosts().is_empty() || !config.get_hosts().iter().all(is_local) {
            return Err(wrong("`store` names no Unix socket and no loopback address; another machine needs a tunnel"));
        }
        if !addresses.iter().all(IpAddr::is_loopback) {
            return Err(wrong("`hostaddr` of `store` is no loopback address"));
        }
        config.application_name("kavi").options(OPTIONS).connect_timeout(OPENING);
        Ok(Self { config, workspace })
    }
}

/// The SQL that makes the store, for this login role.
///
/// # Errors
/// [`GovernanceStoreError::Settings`] when the name of the role is not a plain one.
pub fn schema(role: &str) -> Result<String, GovernanceStoreError> {
    let first = role.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let plain = role.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    // PostgreSQL cuts longer names without an error.
    if !first || !plain || role.len() > 63 || role.starts_with("pg_") || role == "kavi_context_owner" {
        let why = "the role needs a name of its own of lower-case letters, digits and `_`, such as `kavi_app`";
        return Err(wrong(why));
    }
    Ok(SCHEMA.replace("@role@", role))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6d0f7c1e0b5b4f0c8f6b0f3a7b1c2d3e";

    #[test]
    fn a_socket_and_this_machine_are_addresses() {
        for url in [
            "postgres://kavi_app@/kavi?host=/run/postgresql",
            "postgresql://kavi_app@localhost:5433/kavi",
            "postgres://kavi_app@127.0.0.1/kavi",
            "postgres://kavi_app@[::1]/kavi",
        ] {
            assert!(PostgresSettings::parse(url, ID).is_ok(), "{url}");
        }
    }

    #[test]
    fn other_machines_passwords_and_half_addresses_are_refused_and_not_repeated() {
        for (url, said) in [
            ("postgres://kavi_app@db.example.com/kavi", "another machine"),
            ("postgres://kavi_app@10.0.0.1/kavi", "another machine"),
            ("postgres://kavi_app@localhost,10.0.0.1/kavi", "another machine"),
            ("postgres://kavi_app@localhost/kavi?hostaddr=10.0.0.1", "hostaddr"),
            ("postgres://kavi_app@/kavi", "another machine"),
            ("postgres://kavi_app:hunter2@localhost/kavi", "no place for one"),
            ("postgres://kavi_app@localhost/kavi?password=hunter2", "no place for one"),
            ("postgres://localhost/kavi", "needs a role"),
            ("postgres://kavi_app@localhost", "needs a role"),
            ("postgres://kavi_app:hunter2@localhost/kavi?port=many", "not an address"),
        ] {
            let error = PostgresSettings::parse(url, ID).map(drop).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains(said) && !error.contains("hunter2"), "{url}: {error}");
        }
        let error = PostgresSettings::parse("postgres://a@localhost/b", "x").map(drop);
        assert_eq!(error, Err(wrong("`workspace_id` is not a UUID")));
    }

    #[test]
    fn the_schema_is_for_a_role_with_a_plain_name() -> Result<(), GovernanceStoreError> {
        let sql = schema("kavi_app")?;
        assert!(sql.contains("CREATE ROLE kavi_app LOGIN") && !sql.contains("@role@"));
        for role in ["", "Kavi", "a; DROP TABLE x", "1a", "a-b", "pg_x", "kavi_context_owner", &"a".repeat(64)] {
            assert!(schema(role).is_err(), "{role}");
        }
        Ok(())
    }
}
