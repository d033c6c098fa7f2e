//! PostgreSQL as the store of the three reads, with row-level security for each workspace.
//!
//! - `settings.rs`: the address, and the SQL that makes the store.
//! - `role_check.rs`: whether row-level security holds for the login role.
//! - `session.rs`: one connection, and what is asked over it.
//! - `changes.rs`: what a decision adds.
//!
//! Guarantees: nothing is opened before the first question. Each question has a deadline, and one that fails leaves no
//! connection behind. The client's crate is named here and nowhere else.
//!
//! Deliberately never: believes what it reads. The reader compares it with the decisions of the history.

mod changes;
mod database_error;
mod role_check;
mod session;
mod settings;

use std::fmt;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::session::StoreSession;
use super::store::{GovernanceStore, GovernanceStoreError};
use crate::model::governance::{GovernanceMark, GovernanceRows};
use crate::sync::lock;

pub use settings::{PostgresSettings, schema};

/// How long the three reads may take together, and the mark likewise.
const READING: Duration = Duration::from_millis(250);

/// How long opening may take, with all checks of the role.
const OPENING: Duration = Duration::from_secs(3);

/// How long publishing may take, where another process publishes at the same time.
const PUBLISHING: Duration = Duration::from_secs(10);

type Reply<T> = Sender<Result<T, GovernanceStoreError>>;

enum Question {
    Mark(Reply<GovernanceMark>),
    Rows(Reply<GovernanceRows>),
    Publish(Box<GovernanceRows>, Reply<()>),
}

/// The store of one workspace.
pub struct PostgresStore {
    settings: PostgresSettings,
    thread: Mutex<Option<Sender<Question>>>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("workspace", &self.settings.workspace).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A store that is opened with the first question.
    pub fn new(settings: PostgresSettings) -> Self {
        Self { settings, thread: Mutex::new(None) }
    }

    /// Asks the thread that has the connection. Callers may be inside of an asynchronous runtime, or walled in so that they can
    /// open no connection themselves.
    fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Question) -> Result<T, GovernanceStoreError> {
        let (reply, answer) = mpsc::channel();
        let ended = || GovernanceStoreError::Unusable("its thread ended".to_owned());
        let mut thread = lock(&self.thread);
        // With the first question and not before: a workspace whose database is down must still
        // open.
        let sender = match &mut *thread {
            Some(sender) => sender,
            none => none.insert(start(self.settings.clone())?),
        };
        let sent = sender.send(question(reply));
        if sent.is_err() {
            // The next question starts another one.
            *thread = None;
        }
        drop(thread);
        sent.map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }
}

impl GovernanceStore for PostgresStore {
    fn mark(&self) -> Result<GovernanceMark, GovernanceStoreError> {
        self.ask(Question::Mark)
    }

    fn rows(&self) -> Result<GovernanceRows, GovernanceStoreError> {
        self.ask(Question::Rows)
    }

    fn publish(&self, rows: &GovernanceRows) -> Result<(), GovernanceStoreError> {
        self.ask(|reply| Question::Publish(Box::new(rows.clone()), reply))
    }
}

/// Starts the thread that has the connection. It ends with the store.
fn start(settings: PostgresSettings) -> Result<Sender<Question>, GovernanceStoreError> {
    let unusable = |error: std::io::Error| GovernanceStoreError::Unusable(error.to_string());
    // One of its own. Inside of the server's runtime a wait for the database would block that, and
    // it may not be entered twice.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(unusable)?;
    let (sender, questions) = mpsc::channel();
    let serve = move || StoreConnection { settings, runtime, session: None }.serve(&questions);
    thread::Builder::new().name("context-store".to_owned()).spawn(serve).map_err(unusable)?;
    Ok(sender)
}

struct StoreConnection {
    settings: PostgresSettings,
    runtime: Runtime,
    session: Option<StoreSession>,
}

impl StoreConnection {
    fn serve(mut self, questions: &Receiver<Question>) {
        while let Ok(question) = questions.recv() {
            // Whoever asked may have ended meanwhile. Nobody needs the answer then.
            match question {
                Question::Mark(reply) => {
                    drop(reply.send(self.answer(READING, async |session: &mut StoreSession| session.mark().await)))
                }
                Question::Rows(reply) => {
                    drop(reply.send(self.answer(READING, async |session: &mut StoreSession| session.rows().await)))
                }
                Question::Publish(rows, reply) => {
                    let answer =
                        self.answer(PUBLISHING, async |session: &mut StoreSession| session.publish(&rows).await);
                    drop(reply.send(answer));
                }
            }
        }
    }

    /// Asks once, and once more over a new connection where that failed.
    fn answer<T>(
        &mut self,
        deadline: Duration,
        ask: impl AsyncFn(&mut StoreSession) -> Result<T, GovernanceStoreError>,
    ) -> Result<T, GovernanceStoreError> {
        // Taken out: a question that was given up may leave a reply on the wire, and the next
        // question would get it. Only a good answer puts it back.
        if let Some(mut session) = self.session.take() {
            let answer = within(&self.runtime, deadline, ask(&mut session));
            match answer {
                Ok(answer) => {
                    self.session = Some(session);
                    return Ok(answer);
                }
                // The server may have been restarted. A new connection is checked again.
                Err(GovernanceStoreError::Unusable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut session = within(&self.runtime, OPENING, StoreSession::open(&self.settings))?;
        let answer = within(&self.runtime, deadline, ask(&mut session))?;
        self.session = Some(session);
        Ok(answer)
    }
}

fn within<T>(
    runtime: &Runtime,
    deadline: Duration,
    asked: impl Future<Output = Result<T, GovernanceStoreError>>,
) -> Result<T, GovernanceStoreError> {
    let timed = async { tokio::time::timeout(deadline, asked).await };
    runtime.block_on(timed).map_err(|_| GovernanceStoreError::Late(deadline))?
}
