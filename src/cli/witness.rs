//! `kavi witness`

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::{ListeningWitness, WitnessOptions};
use crate::error::Error;

/// Be a witness for the histories of others: cosign each checkpoint that extends the one before. Runs until Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi witness --log 'kavi/…+…+…'
  kavi witness --listen 127.0.0.1:8790 --log 'kavi/…+…+…' --log 'kavi/…+…+…'

`kavi audit --json` shows the key of a history. It listens at addresses of
this machine alone. The protocol is C2SP tlog-witness.")]
pub struct Args {
    /// The key of a history that it witnesses; may be given several times.
    #[arg(long = "log", value_name = "KEY", required = true)]
    logs: Vec<String>,
    /// Where it listens: an address of this machine. Port 0 is any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// The folder for its key and what it cosigned. Default: `witness` in your state folder.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let Context { host, out, .. } = context;
    let options = WitnessOptions { listen: args.listen, logs: &args.logs, folder: args.folder.as_deref() };
    let witness = ListeningWitness::open(&host, &options)?;
    let address = witness.address();
    let human = format!(
        "it witnesses {} histories, and keeps its key in {}\nput this into their kavi.toml:\n[trust]\nwitness_url = \"{address}\"",
        args.logs.len(),
        witness.folder.display()
    );
    out.result(&human, &json!({ "witness_url": address, "folder": witness.folder }));
    witness.serve()
}
