//! Where log events go: to stderr as a log, when a person asked for it, and to the printer what every person sees.
//!
//! Guarantees: only events and spans of Kavi's own are written. Libraries log what they carry, which may be an input or a
//! secret. The printer gets the warnings and the progress of long work whatever the log shows.
//!
//! Deliberately never: writes to stdout, or to a file.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex};

use clap::{ArgAction, ValueEnum};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

use super::help::GLOBAL;
use crate::error::Error;
use crate::log_targets::{NOTE, STAGE};
use crate::model::text;
use crate::sync::lock;
use crate::workspace::Environment;

/// What of the work is logged.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct LogArgs {
    /// Log the steps on stderr; -vv for more, -vvv for all. Comes before KAVI_LOG.
    #[arg(long, short, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = GLOBAL)]
    verbose: u8,
    /// Print results and errors only: no remark, no progress, no warning.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// How the lines of the log are written.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = GLOBAL, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How the lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON document for each line.
    Json,
}

/// What the library reports while a verb works. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct Reports(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    warnings: Mutex<Vec<String>>,
    screen: Mutex<Option<Arc<dyn ProgressScreen>>>,
}

/// Where the progress of long work appears.
pub trait ProgressScreen: fmt::Debug + Send + Sync {
    /// A stage began.
    fn stage(&self, text: &str);
    /// Something that stays on the screen.
    fn note(&self, text: &str);
}

impl Reports {
    /// Takes the warnings that came up so far.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0.warnings))
    }

    /// Shows progress on this screen from now on, or nowhere.
    pub fn show_on(&self, screen: Option<Arc<dyn ProgressScreen>>) {
        *lock(&self.0.screen) = screen;
    }
}

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut message = Message::default();
        event.record(&mut message);
        if *metadata.level() == Level::WARN {
            lock(&self.0.warnings).push(text::without_os_numbers(&message.0));
            return;
        }
        // The lock is not held while something is printed.
        let screen = lock(&self.0.screen).clone();
        match (screen, metadata.target()) {
            (Some(screen), STAGE) => screen.stage(&message.0),
            (Some(screen), NOTE) => screen.note(&message.0),
            _ => {}
        }
    }
}

/// The text of an event.
#[derive(Debug, Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Sends events where they belong, for the rest of this process.
///
/// # Errors
/// [`Error::Usage`] when KAVI_LOG is invalid.
pub fn start(args: LogArgs, environment: &Environment, reports: &Reports) -> Result<(), Error> {
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    let reported = filter_fn(is_reported).with_max_level_hint(LevelFilter::INFO);
    layers.push(Box::new(Layer::<Registry>::with_filter(reports.clone(), reported)));
    if let Some(wanted) = wanted(args, environment)? {
        let ansi = io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
        let text = tracing_subscriber::fmt::layer::<Registry>()
            .with_writer(io::stderr)
            .with_ansi(ansi)
            .with_span_events(FmtSpan::CLOSE);
        let filter = FilterExt::<Registry>::and(wanted, filter_fn(is_ours));
        layers.push(match args.log_format {
            LogFormat::Text => Box::new(text.with_filter(filter)),
            LogFormat::Json => Box::new(text.json().with_filter(filter)),
        });
    }
    // A process has one command line. When there were a second one, it would keep the log of the first.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers));
    Ok(())
}

/// The events that a person asked for; none by default.
fn wanted(args: LogArgs, environment: &Environment) -> Result<Option<EnvFilter>, Error> {
    let directives = match args.verbose {
        _ if args.quiet => return Ok(None),
        0 => match environment.get("KAVI_LOG") {
            Some(directives) => directives.to_string_lossy().into_owned(),
            None => return Ok(None),
        },
        1 => "info".to_owned(),
        2 => "debug".to_owned(),
        _ => "trace".to_owned(),
    };
    let parsed = EnvFilter::builder().parse(&directives);
    let invalid = |error| {
        Error::Usage(format!("KAVI_LOG is invalid: {error}; write a level, or for example kavi::forge=debug,kavi=info"))
    };
    parsed.map(Some).map_err(invalid)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "kavi" || metadata.target().starts_with("kavi::")
}

fn is_reported(metadata: &Metadata<'_>) -> bool {
    let is_progress = metadata.target() == STAGE || metadata.target() == NOTE;
    metadata.is_event() && is_ours(metadata) && (*metadata.level() == Level::WARN || is_progress)
}
