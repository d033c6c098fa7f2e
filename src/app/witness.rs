//! A witness for the histories of others, at a loopback address of this machine.
//!
//! Deliberately never: opens a workspace, or witnesses a history whose key nobody named.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::host::Host;
use crate::error::Error;
use crate::history::note::NoteKey;
use crate::history::witness::MAX_REQUEST;
use crate::http::{LoopbackServer, ServedRequest, ServedResponse};
use crate::model::time::{Clock as _, SystemClock};
use crate::trust::{WitnessReply, WitnessStore};

/// What a witness is to do.
#[derive(Debug)]
pub struct WitnessOptions<'a> {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The keys of the histories that it witnesses.
    pub logs: &'a [String],
    /// Its folder; else `witness` below the user's state folder.
    pub folder: Option<&'a Path>,
}

/// A witness that listens.
#[derive(Debug)]
pub struct ListeningWitness {
    server: LoopbackServer,
    store: WitnessStore,
    /// Its folder.
    pub folder: PathBuf,
}

impl ListeningWitness {
    /// Opens its folder and listens.
    ///
    /// # Errors
    /// When a key is none, there is no place for its folder, or the address cannot be used.
    pub fn open(host: &Host, options: &WitnessOptions<'_>) -> Result<Self, Error> {
        let key = |text: &String| NoteKey::parse(text).map_err(|error| Error::Usage(format!("--log {text}: {error}")));
        let logs = options.logs.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let usual = || host.environment.state_folder().map(|state| state.join("witness"));
        let folder = options.folder.map(Path::to_owned).or_else(usual).map(|folder| host.cwd.join(folder));
        let no_place = || Error::Usage("there is no place for its key: give --folder DIR, or set HOME".to_owned());
        let folder = folder.ok_or_else(no_place)?;
        let failed = |what: String| move |source| Error::Io { what, source };
        let store = WitnessStore::open(&folder, logs)
            .map_err(|error| Error::Refused(format!("the witness in {}: {error}", folder.display())))?;
        let server = LoopbackServer::bind(options.listen, MAX_REQUEST).map_err(failed(options.listen.to_string()))?;
        Ok(Self { server, store, folder })
    }

    /// Its address and key, as `[trust] witness_url` of kavi.toml takes them.
    pub fn address(&self) -> String {
        format!("http://{} {}", self.server.address(), self.store.cosigner().text())
    }

    /// Answers until a signal asks the process to end.
    ///
    /// # Errors
    /// When it cannot serve.
    pub fn serve(self) -> Result<(), Error> {
        let Self { server, store, .. } = self;
        let what = server.address().to_string();
        let respond = |request: ServedRequest| {
            let now = u64::try_from(SystemClock.now().as_millis() / 1_000).unwrap_or(0);
            let WitnessReply { status, content_type, body } =
                store.answer(request.is_post, &request.path, &request.body, now);
            ServedResponse { status, content_type, body }
        };
        server.serve(respond).map_err(|source| Error::Io { what, source })
    }
}
