//! Words on the terminal: writing that never panics, and text that cannot steer a terminal.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Why standard output takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Whoever read it has read enough (`| head`): no failure.
    #[error("standard output was closed")]
    Closed,
    /// A full disk, for example.
    #[error("standard output cannot be written: {0}; check the free space")]
    Failed(String),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// Writes `text` to standard output as it is, at once: what stays in a buffer fails unseen.
///
/// # Errors
/// When it cannot be written.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes one line to standard error. Where that fails there is nobody left to tell.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

/// The text with control characters, and those that turn the direction of writing, written out: names
/// of files may hold commands for the terminal.
pub fn plain(text: &str) -> String {
    escape(text, |_| false)
}

/// As [`plain`], for text of several lines.
pub fn plain_lines(text: &str) -> String {
    escape(text, |c| matches!(c, '\n' | '\t'))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() || turns) && !keep(c) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "{}", c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// An error and its causes on one line. Many a message already ends with its cause, which is then not
/// said again.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    plain(&line.replace(['\n', '\r'], " "))
}

/// The exit status of a command, and on failure its one line on standard error.
pub fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    if matches!(error.downcast_ref(), Some(OutputError::Closed)) {
        return ExitCode::SUCCESS;
    }
    note(&format!("error: {}", one_line(&error)));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(plain("a\x1b[2J\u{9b}b\n"), "a\\u{1b}[2J\\u{9b}b\\u{a}");
        assert_eq!(plain("\u{202e}gnp"), "\\u{202e}gnp");
        assert_eq!(
            plain_lines("Leber: größer\n\tx\r"),
            "Leber: größer\n\tx\\u{d}"
        );
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = || io::Error::other("the disk is gone");
        let doubled = anyhow::Error::new(cause()).context("x cannot be read (the disk is gone)");
        assert_eq!(one_line(&doubled), "x cannot be read (the disk is gone)");
        let apart = anyhow::Error::new(cause()).context("x cannot be read");
        assert_eq!(one_line(&apart), "x cannot be read: the disk is gone");
    }
}
