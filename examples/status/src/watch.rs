//! Printing the status as it changes.

use std::error::Error;
use std::io::{self, Write};
use std::pin::pin;

use tokio::signal;

use crate::device::Device;
use crate::text::Shown;

/// Prints the status and every later one until Ctrl-C, the regular end.
pub(crate) async fn watch(device: &Device) -> Result<(), Box<dyn Error>> {
    let mut ctrl_c = pin!(signal::ctrl_c());
    tokio::select! {
        synced = device.sync() => drop(synced?),
        _ = &mut ctrl_c => return Ok(()),
    }
    let mut changes = device.client.changes();
    let mut shown = None;
    loop {
        let text = device.text();
        if text != shown {
            if let Some(text) = &text {
                writeln!(io::stdout(), "{}", Shown(text))?;
            }
            shown = text;
        }
        tokio::select! {
            change = changes.next() => if change.is_none() { return Ok(()) },
            _ = &mut ctrl_c => return Ok(()),
        }
    }
}
