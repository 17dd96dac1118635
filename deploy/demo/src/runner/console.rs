//! Where the story is told: stdout, or stderr when stdout is for JSON. Colour only on a terminal.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

/// The stream for people to read.
#[derive(Debug)]
pub(super) struct Console {
    on_stderr: bool,
    colour: bool,
}

/// What colour is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Dim,
    Cyan,
    Green,
    Red,
}

impl Console {
    /// `json` keeps stdout free.
    pub(super) fn new(json: bool) -> Self {
        let terminal = if json {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        Self {
            on_stderr: json,
            colour: terminal && env::var_os("NO_COLOR").is_none(),
        }
    }

    /// Writes a line. A reader that has gone away is no reason to stop.
    pub(super) fn line(&self, text: &str) {
        let written = if self.on_stderr {
            writeln!(io::stderr(), "{text}")
        } else {
            writeln!(io::stdout(), "{text}")
        };
        written.ok();
    }

    /// The text in a style, on a terminal.
    pub(super) fn styled(&self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Dim => 2,
            Style::Cyan => 36,
            Style::Green => 32,
            Style::Red => 31,
        };
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
