//! Progress of long work: a spinner on a terminal, one line a stage elsewhere, nothing for machines.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out::Out;

/// Shows what is going on.
#[derive(Debug)]
pub struct Spinner {
    bar: ProgressBar,
    out: Out,
    plain: bool,
}

impl Spinner {
    pub fn new(out: &Out) -> Self {
        // In a pipe the control characters of a spinner would end up in a log.
        let terminal = std::io::stderr().is_terminal() && !out.is_json();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { bar, out: out.clone(), plain: !terminal }
    }

    /// A stage began.
    pub fn stage(&self, text: &str) {
        if self.plain { self.out.remark(&format!("· {text}")) } else { self.bar.set_message(text.to_owned()) }
    }

    /// Something that stays on the screen.
    pub fn note(&self, text: &str) {
        if self.plain { self.out.remark(&format!("· {text}")) } else { self.bar.println(format!("· {text}")) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
