//! The screens of the devices.

use std::io::{self, Write};

use diplomatic::Client;
use diplomatic::changes::Changes;

use crate::event::Status;

/// A device's screen: a line for every status that the device learns of.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    name: &'static str,
    device: &'a Client<Status>,
    changes: Changes,
    shown: Option<String>,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(name: &'static str, device: &'a Client<Status>) -> Self {
        Self { name, device, changes: device.changes(), shown: None }
    }

    /// Shows every change until the client is closed.
    async fn show_changes(&mut self) -> io::Result<()> {
        while self.changes.next().await.is_some() {
            self.show()?;
        }
        Ok(())
    }

    fn show(&mut self) -> io::Result<()> {
        let text = self.device.read(|status| status.text.clone());
        if let Some(text) = text.filter(|text| self.shown.as_ref() != Some(text)) {
            line(self.name, "shows", &text)?;
            self.shown = Some(text);
        }
        Ok(())
    }

    pub(crate) fn into_shown(self) -> Option<String> {
        self.shown
    }
}

/// Shows what both devices learn of while something is going on.
pub(crate) async fn show_while<T>(screens: &mut [Screen<'_>; 2], going_on: impl Future<Output = T>) -> io::Result<T> {
    let [one, other] = screens;
    let outcome = async {
        tokio::select! {
            outcome = going_on => Ok(outcome),
            Err(error) = one.show_changes() => Err(error),
            Err(error) = other.show_changes() => Err(error),
        }
    };
    let outcome = outcome.await?;
    // What came last may not be shown yet.
    one.show()?;
    other.show()?;
    Ok(outcome)
}

/// Prints one line of the story.
pub(crate) fn line(who: &str, does: &str, what: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{who:<7} {does:<8} {what}")
}
