//! One open workspace: its configuration, ledger, stores and tools, wired together.
//!
//! Guarantees: every service works on these same parts. Deliberately never: knows a service, prints, or reads the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::clock::ComparedClock;
use super::host::{Host, Walls};
use crate::artifacts::leftovers::{self, LeftoverFolders};
use crate::artifacts::{self, ProgramFile, Store};
use crate::cage::{Cage, Confinement};
use crate::context::postgres::{PostgresSettings, PostgresStore};
use crate::context::reader::{ContextReader, ContextView};
use crate::context::store::GovernanceStore;
use crate::error::Error;
use crate::forge::context::ForgeContext;
use crate::forge::format::Formatter;
use crate::forge::toolchain::{self, Toolchain};
use crate::history::anchor::HistoryAnchor;
use crate::history::rules::ProposedPolicy;
use crate::invoke::resident::Resident;
use crate::invoke::{NoObserver, RunContext, SharedContext};
use crate::ledger::{Create, Ledger, LedgerAccess, LostRecords, Recorder};
use crate::model::{
    channel::{Caller, Channel},
    id::{IdSource, RandomIds},
    layout::Layout,
    text,
    time::{Clock, SystemClock, Timestamp},
};

use crate::policy::{actor_capability::ActorCapability, matrix::Actor, registry::PolicyValues};
use crate::runtime::{self, CodeCache, LinkedFolders, Loader};
use crate::trust::{self, AnchoredLedger, FileAnchor, Outside};
use crate::workspace::{self, CharterSetting, Config, ConfinementSetting, ContextSettings, LEDGER_STORE};

/// What a ledger that cannot be believed means for a person's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnreadLedger {
    /// The command is refused.
    Refuses,
    /// The command is not stopped by it: it looks at what is broken, mends it, or takes something away. It checks for itself
    /// what it needs.
    Proceeds,
}

/// Time between two sweeps of what crashes left.
const BETWEEN_SWEEPS: Duration = Duration::from_hours(1);

/// One workspace, open.
#[derive(Debug)]
pub(super) struct OpenWorkspace {
    pub(super) host: Host,
    pub(super) config: Config,
    /// Where the links of the vault led when this was opened.
    pub(super) linked: LinkedFolders,
    pub(super) ledger: Ledger,
    /// Where its checkpoints are signed and kept.
    pub(super) anchor: Arc<FileAnchor>,
    shared_anchor: Option<Arc<dyn HistoryAnchor>>,
    pub(super) store: Store,
    pub(super) cage: Cage,
    pub(super) code: CodeCache,
    /// The file of this program, for records of what it does.
    program: ProgramFile,
    /// Reads charter, policy and capabilities.
    pub(super) context: ContextReader,
    pub(super) clock: Box<dyn Clock>,
    pub(super) ids: Box<dyn IdSource>,
}

impl OpenWorkspace {
    /// Opens the workspace that a configuration describes.
    pub(super) fn open(host: Host, config: Config, walls: Walls) -> Result<Self, Error> {
        // First: without a ledger nothing is trusted, and nothing else needs to be opened.
        let ledger = Ledger::open(&config.layout.ledger(), Create::Never)?;
        Self::with_ledger(host, config, walls, ledger)
    }

    /// The same to look at it, also where nothing can be written.
    pub(super) fn open_to_look(host: Host, config: Config, walls: Walls) -> Result<Self, Error> {
        let ledger = Ledger::open_to_look(&config.layout.ledger())?;
        if ledger.access() == LedgerAccess::Look {
            tracing::warn!("the ledger's folder cannot be written, so it can only be looked at");
        }
        Self::with_ledger(host, config, walls, ledger)
    }

    fn with_ledger(host: Host, config: Config, walls: Walls, ledger: Ledger) -> Result<Self, Error> {
        let state = state_folder(&host, &config);
        let outside = outside(&host, &config, state.as_deref());
        let AnchoredLedger { ledger, anchor } = trust::anchored(ledger, outside, SystemClock.now())?;
        let ledger = ledger.with_record_sync(config.records.sync);
        if ledger.access() == LedgerAccess::Full && ledger.lost_records() == LostRecords::Possible {
            tracing::warn!(
                "the machine stopped before every record was on the disk: records of the last 20 ms before it, of runs that \
                 changed nothing, may be missing"
            );
        }
        let confinement = match (walls, config.confinement) {
            (Walls::AsConfigured, ConfinementSetting::Required) => Confinement::Required,
            // Both the option and the setting are a person's choice, and each attempt records it.
            (Walls::Unconfined, _) | (_, ConfinementSetting::Unconfined) => Confinement::Unconfined,
        };
        // For each job, and not once for the process: a server stays over a stop and its end.
        let cage = Cage::new(host.exe.clone(), confinement).watched_by(Arc::new(ledger.watch_source()));
        // A ledger that cannot be read says so at the first question.
        let newest = ledger.newest_time().unwrap_or_default();
        let clock = ComparedClock::start(&config.layout, newest);
        match clock.doubt(newest) {
            // Age says nothing now, so nothing is removed by it.
            Some(doubt) => tracing::warn!("nothing that is held expires, and nothing old is removed: {doubt}"),
            None if ledger.access() == LedgerAccess::Full => {
                with_leftover_folders(&host, &config, |folders| remove_leftovers(folders, clock.now()));
            }
            None => {}
        }
        let linked = LinkedFolders::resolve(&config.layout, &config.follow);
        for link in &linked.broken {
            tracing::warn!("the link `{}` in the vault is not followed: {}", text::line(&link.name, 400), link.why);
        }
        let governance_store = governance_store(&config.context, &ledger)?;
        Ok(Self {
            store: Store::open(&config.layout)?,
            code: code_cache(&host, &config.layout, &linked),
            program: ProgramFile::new(host.exe.clone(), host.environment.cache_folder().ok()),
            cage,
            context: ContextReader::new(config.context.charter == CharterSetting::Required, governance_store),
            clock: Box::new(clock),
            ids: Box::new(RandomIds),
            host,
            config,
            linked,
            shared_anchor: ledger.anchor(),
            anchor,
            ledger,
        })
    }

    /// What holds about agents now.
    pub(super) fn governance(&self) -> ContextView {
        self.context.read(&self.ledger, self.clock.moment())
    }

    /// Refuses what a caller does not have the capability for.
    pub(super) fn allow(&self, caller: &Caller, capability: ActorCapability) -> Result<(), Error> {
        self.allow_under(&self.governance(), caller, capability)
    }

    /// Refuses what the person at the command line does not have the capability for.
    pub(super) fn allow_person(&self, capability: ActorCapability) -> Result<(), Error> {
        self.allow(&self.caller(Channel::Cli), capability)
    }

    /// The same by the decisions of the history alone: for what sets or mends the stores of charter, policy and capabilities.
    pub(super) fn allow_person_as_decided(
        &self,
        capability: ActorCapability,
        unread: UnreadLedger,
    ) -> Result<(), Error> {
        // Not from the store in force: one that is broken or taken over must not be able to keep a
        // person from mending it.
        let view = self.context.read_decided(&self.ledger);
        if unread == UnreadLedger::Proceeds && view.governance.is_err() {
            return Ok(());
        }
        self.allow_under(&view, &self.caller(Channel::Cli), capability)
    }

    fn allow_under(&self, view: &ContextView, caller: &Caller, capability: ActorCapability) -> Result<(), Error> {
        if let Err(unread) = &view.governance {
            // A ledger that does not fit its head is an error of its own, and says what to do.
            return Err(Arc::clone(unread).into());
        }
        Ok(view.allow(&self.config.channels, caller, capability)?)
    }

    /// The same for an agent whose name is not known.
    pub(super) fn allow_every_agent(&self, capability: ActorCapability) -> Result<(), Error> {
        Ok(self.governance().allow_actor(&self.config.channels, &Actor::Agent(None), Channel::Mcp, capability)?)
    }

    /// What the steps of the forge work with.
    pub(super) fn forge(&self) -> ForgeContext<'_> {
        let view = self.governance();
        let governance = view.governance.as_ref().ok();
        // Where they cannot be read, the forge goes on without their limits and records that. What
        // needs them to be allowed was asked before.
        let policy = governance.and_then(|governance| governance.policy.as_ref().ok());
        ForgeContext {
            program: &self.program,
            context_sha256: governance.map(|governance| governance.context.sha256),
            token_ceiling: policy.and_then(|policy| policy.token_ceiling(&self.config.builder.model)),
            most_overrides: policy.and_then(PolicyValues::most_overrides),
            layout: &self.config.layout,
            ledger: &self.ledger,
            store: &self.store,
            cage: &self.cage,
            loader: self.loader(),
            limits: &self.config.limits,
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
        }
    }

    /// What loads the machine code of a skill.
    pub(super) fn loader(&self) -> Loader<'_> {
        Loader { cage: &self.cage, cache: &self.code }
    }

    /// What all runs of this process share.
    pub(super) fn shared_context(&self) -> SharedContext<'_> {
        SharedContext {
            layout: &self.config.layout,
            linked: &self.linked.folders,
            anchor: self.shared_anchor.as_ref(),
            store: &self.store,
            channels: &self.config.channels,
            governance: &self.context,
            hold: self.config.effects.held(),
            observer: &NoObserver,
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
            loader: self.loader(),
            roots_file: self.host.environment.get("SSL_CERT_FILE").map(Path::new),
            secrets: &self.config.secrets,
            limits: &self.config.limits,
        }
    }

    /// What runs and vault changes on this thread work with.
    pub(super) fn run_context(&self) -> RunContext<'_> {
        self.shared_context().with_ledger(&self.ledger)
    }

    /// The thread that writes the records of many runs. It opens the ledger for itself.
    pub(super) fn recorder(&self) -> Result<Recorder, Error> {
        Recorder::start(self.ledger.reopen()?)
            .map_err(|source| Error::Io { what: "the thread that writes records".to_owned(), source })
    }

    /// What runs many skills on up to `threads` threads.
    pub(super) fn resident<'a>(&'a self, journal: &'a Recorder, threads: u32) -> Result<Resident<'a>, Error> {
        // Before there is a thread that reaches only the vault: values that are too large for a record are stored from there.
        self.store.serve_all_threads()?;
        Ok(Resident::new(self.shared_context(), journal, threads)?)
    }

    /// The toolchain for a step of the forge. Installs what is missing.
    pub(super) fn toolchain(&self) -> Result<Toolchain, Error> {
        // The step itself checks this again. Checking here avoids starting tools for a step that is refused anyway.
        self.ledger.authorize()?;
        Ok(toolchain::ensure(&self.cage, &self.host.tools()?)?)
    }

    /// What formats the sources of an attempt. Installs it where it is missing.
    pub(super) fn formatter(&self) -> Result<Formatter, Error> {
        self.ledger.authorize()?;
        Ok(Formatter::new(toolchain::rustfmt_sysroot(&self.cage, &self.host.tools()?)?))
    }

    /// The person at the command line: the account name, else its number.
    pub(super) fn person(&self) -> String {
        // A name that is no text is as good as none: the number of the account says who it is.
        let named = self.host.environment.text("USER").ok().flatten().map(|name| text::line(name.trim(), 100));
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// The person at the command line, as the caller of a run through this channel.
    pub(super) fn caller(&self, channel: Channel) -> Arc<Caller> {
        Arc::new(Caller { channel, name: self.person() })
    }
}

/// Gives the folders in which crashes leave something.
pub(super) fn with_leftover_folders<T>(host: &Host, config: &Config, work: impl FnOnce(LeftoverFolders<'_>) -> T) -> T {
    let cache = host.environment.cache_folder().ok().map(|folder| host.cwd.join(folder));
    let (state, temporary) = (state_folder(host, config), tempfile::env::temp_dir());
    work(LeftoverFolders {
        layout: &config.layout,
        cache: cache.as_deref(),
        state: state.as_deref(),
        temporary: Some(&temporary),
    })
}

/// Removes what crashes left unfinished, once an hour: to look through the store takes longer than a run.
fn remove_leftovers(folders: LeftoverFolders<'_>, now: Timestamp) {
    let path = folders.layout.locks().join("leftovers");
    // A workspace that can only be read keeps its leftovers. `kavi doctor` names them.
    let Ok(mark) = artifacts::open_lock(&folders.layout.root, &path) else { return };
    let last = mark.metadata().and_then(|meta| Ok((meta.len(), meta.modified()?)));
    let time = UNIX_EPOCH + Duration::from_millis(now.as_millis().unsigned_abs());
    // The length tells a mark that was made just now from one of an earlier sweep.
    let due = last.is_ok_and(|(length, last)| {
        length == 0 || time.duration_since(last).is_ok_and(|since| since >= BETWEEN_SWEEPS) || last > time
    });
    if due && mark.set_len(1).and_then(|()| mark.set_modified(time)).is_ok() {
        leftovers::remove(folders, now);
    }
}

/// The cache below the workspace's `.kavi/`, sealed with a key below the person's own cache folder.
fn code_cache(host: &Host, layout: &Layout, linked: &LinkedFolders) -> CodeCache {
    let folder = host.environment.cache_folder().ok().map(|folder| host.cwd.join(folder));
    // A key that skills can read would let them seal machine code of their own.
    let read = || std::iter::once(&layout.vault).chain(linked.folders.iter().map(|linked| &linked.target));
    let key = folder.filter(|folder| !read().any(|read| is_inside(folder, read)));
    let key = key.map(|folder| folder.join("code.key"));
    CodeCache::new(layout.code_cache(), key, runtime::import_table_version())
}

/// The store of charter, policy and capabilities that kavi.toml names; none for the ledger. Nothing is opened.
fn governance_store(settings: &ContextSettings, ledger: &Ledger) -> Result<Option<Box<dyn GovernanceStore>>, Error> {
    if settings.store == LEDGER_STORE {
        return Ok(None);
    }
    // The setting comes first, because the id of the ledger changes when a copy of it is adopted.
    let workspace = match &settings.workspace_id {
        Some(id) => id.clone(),
        None => ledger.workspace_id()?,
    };
    let settings = PostgresSettings::parse(&settings.store, &workspace)?;
    Ok(Some(Box::new(PostgresStore::new(settings))))
}

/// What a workspace has outside of its ledger.
pub(super) fn outside<'a>(host: &Host, config: &'a Config, state: Option<&'a Path>) -> Outside<'a> {
    let channels = serde_json::to_value(config.channels.rules()).unwrap_or_default();
    let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let anchor = text(&config.trust.anchor);
    let witness = text(&config.trust.witness).or_else(|| config.trust.witness_url.clone());
    let proposed = ProposedPolicy { require: config.trust.require, channels, anchor, witness };
    let own_state = user_state_folder(host).filter(|folder| !is_inside(folder, &config.layout.vault));
    Outside { state, own_state, root: &config.layout.root, ssh: host.ssh(), proposed }
}

fn user_state_folder(host: &Host) -> Option<PathBuf> {
    host.environment.state_folder().map(|folder| host.cwd.join(folder))
}

/// The user's state folder, unless it lies inside the vault, where skills could read the key.
pub(super) fn state_folder(host: &Host, config: &Config) -> Option<PathBuf> {
    let folder = match &config.trust.anchor {
        Some(anchor) => Some(anchor.clone()),
        None => user_state_folder(host),
    };
    folder.filter(|folder| !is_inside(folder, &config.layout.vault))
}

/// Whether a folder lies inside another one. The folder need not exist yet.
fn is_inside(folder: &Path, other: &Path) -> bool {
    // A vault that does not exist yet has no links to resolve, so its text decides.
    let Ok(other) = other.canonicalize() else { return folder.starts_with(other) };
    // Links in the part that exists could lead into the vault. The rest is made below it later.
    let real = workspace::resolve_new(folder);
    // A folder whose place cannot be found out counts as inside, and then no key is used.
    real.is_none_or(|real| real.starts_with(other))
}
