//! Role charter, policy values and capabilities: a person sets them, and they hold where things run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::ops::Deref;

use serde_json::{Value, json};

use crate::support::Workspace;
use crate::support::mcp::client::Client;
use crate::support::postgres::{self, Database};

/// Where charter, policy and capabilities are read from.
#[derive(Debug, Clone, Copy)]
pub enum StoreKind {
    Sqlite,
    Postgresql,
}

/// A workspace, and the database that its kavi.toml names.
pub struct Governed {
    workspace: Workspace,
    pub database: Option<Database>,
}

impl Deref for Governed {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}

impl Governed {
    fn new(workspace: Workspace, store: StoreKind) -> Self {
        match store {
            StoreKind::Sqlite => Self { workspace, database: None },
            StoreKind::Postgresql => Self::in_database(workspace),
        }
    }

    /// With a database that Kavi logs in to as the weak role.
    pub fn in_database(workspace: Workspace) -> Self {
        let database = Database::new();
        let governed = Self { workspace, database: Some(database) };
        governed.name_store(&governed.database().url(postgres::ROLE));
        governed
    }

    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("a database")
    }

    /// Has kavi.toml name this store.
    pub fn name_store(&self, url: &str) {
        let path = self.path().join("kavi.toml");
        let toml = fs::read_to_string(&path).unwrap();
        let line = toml.lines().find(|line| line.starts_with("store = ")).expect("the setting");
        fs::write(&path, toml.replace(line, &format!("store = \"{url}\""))).unwrap();
    }

    /// Edits the store behind Kavi: with the first text the ledger, with the second the database.
    fn tamper(&self, sqlite: &str, postgresql: &str) {
        match &self.database {
            Some(database) => drop(database.admin(postgresql)),
            None => {
                let ledger = self.ledger();
                ledger.execute_batch(sqlite).unwrap();
                ledger.close().unwrap();
            }
        }
    }
}

/// Runs each of these bodies over both stores.
macro_rules! over_both_stores {
    ($($body:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $body() {
                super::$body(crate::governance::StoreKind::Sqlite);
            })*
        }

        mod postgresql {
            $(#[test]
            fn $body() {
                match crate::support::postgres::programs() {
                    Ok(_) => super::$body(crate::governance::StoreKind::Postgresql),
                    Err(why) => eprintln!("skipped: {}: {why}", stringify!($body)),
                }
            })*
        }
    };
}

mod capabilities;
mod charter;
mod database;
mod policy;

pub const CHARTER: &str = "# Clerk\n\n## identity\nYou keep the notes.\n\n## authority_can_do\n- read notes\n\n\
    ## authority_cannot_do\n- promote a skill\n";

/// A workspace with trusted skills, and a note to read.
fn trusted(store: StoreKind) -> Governed {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("a.md"), "text\n").unwrap();
    Governed::new(workspace, store)
}

/// One without skills.
fn fresh(store: StoreKind) -> Governed {
    Governed::new(Workspace::new(), store)
}

pub fn set_charter(workspace: &Workspace, text: &str) -> Value {
    fs::write(workspace.path().join("charter.md"), text).unwrap();
    workspace.json(&["charter", "set", "charter.md", "--approved-by", "ada"]).expect(0).json()
}

pub fn set(workspace: &Workspace, key: &str, value: &str) {
    workspace.json(&["policy", "set", key, value, "--approved-by", "ada"]).expect(0);
}

pub fn capability(workspace: &Workspace, verb: &str, actor: &str, capability: &str) {
    workspace.json(&["capability", verb, actor, capability, "--approved-by", "ada"]).expect(0);
}

pub fn open(workspace: &Workspace) -> Client {
    Client::open(workspace, "2025-11-25", json!({}))
}

/// Calls `peek`, and gives what the model is told.
pub fn peek(client: &mut Client) -> (bool, String) {
    let answer = client.call("peek", json!({ "path": "a.md" }));
    let result = &answer["result"];
    (result["isError"] == json!(true), result["content"][0]["text"].as_str().unwrap_or_default().to_owned())
}
