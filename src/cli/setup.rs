//! `kavi setup`

use serde_json::json;

use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, views};
use crate::app::App;
use crate::error::Error;

/// Get what verification needs: the wasm target, rustfmt, clippy, the SDK built once. Others do it when they need it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi setup")]
pub struct Args {
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, _args: &Args) -> Result<(), Error> {
    let out = context.out.clone();
    let spinner = Spinner::new(&out, Stages::Shown);
    let toolchain = App::set_up(&context.host)?;
    drop(spinner);
    let human = views::facts(&[
        ("toolchain", toolchain.version.clone()),
        ("sysroot", toolchain.sysroot.display().to_string()),
        ("SDK kit", toolchain.kit.display().to_string()),
        ("kit sha256", toolchain.kit_sha256.to_string()),
    ]);
    let machine = json!({
        "toolchain": toolchain.version,
        "sysroot": toolchain.sysroot,
        "kit": toolchain.kit,
        "kit_sha256": toolchain.kit_sha256,
    });
    out.result(&human, &machine);
    Ok(())
}
