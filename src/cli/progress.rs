//! Progress of long work: a spinner on a terminal, one line a stage elsewhere, nothing for machines.
//!
//! The work reports stages and notes as log events (`log`), which reach the screen of the spinner that exists.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::log::ProgressScreen;
use super::out::Out;

/// What is done with a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stages {
    /// Shown until the next one begins.
    Shown,
    /// Kept on the screen like a note.
    Kept,
    /// Not shown.
    Hidden,
}

/// Where progress appears.
#[derive(Debug)]
struct Screen {
    bar: ProgressBar,
    out: Out,
    stages: Stages,
    plain: bool,
}

impl ProgressScreen for Screen {
    fn stage(&self, text: &str) {
        match self.stages {
            Stages::Hidden => {}
            Stages::Shown if !self.plain => self.bar.set_message(text.to_owned()),
            Stages::Shown | Stages::Kept => self.note(text),
        }
    }

    fn note(&self, text: &str) {
        if self.plain { self.out.remark(&format!("· {text}")) } else { self.bar.println(format!("· {text}")) }
    }
}

/// Shows the progress of the work that is done while it exists.
#[derive(Debug)]
pub struct Spinner(Arc<Screen>);

impl Spinner {
    pub fn new(out: &Out, stages: Stages) -> Self {
        // In a pipe the control characters of a spinner would end up in a log.
        let terminal = std::io::stderr().is_terminal() && !out.is_silent();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        let screen = Arc::new(Screen { bar, out: out.clone(), stages, plain: !terminal });
        out.reports().show_on(Some(Arc::<Screen>::clone(&screen)));
        Self(screen)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.out.reports().show_on(None);
        self.0.bar.finish_and_clear();
    }
}
