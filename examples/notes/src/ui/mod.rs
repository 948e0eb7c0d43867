//! The terminal: one pane for each device.

mod draw;
mod edit;
mod files;
mod keys;
mod pane;
mod past;

use std::io;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

pub use pane::Pane;

/// How long to wait for a key before looking for news.
const TICK: Duration = Duration::from_millis(50);

/// Shows panes side by side until the user leaves. Tab goes from one to the next.
///
/// # Errors
///
/// Those of the terminal.
pub fn run(panes: &mut [Pane]) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let outcome = turn(&mut terminal, panes);
    ratatui::try_restore()?;
    panes.iter_mut().for_each(Pane::leave);
    outcome
}

fn turn(terminal: &mut ratatui::DefaultTerminal, panes: &mut [Pane]) -> io::Result<()> {
    let (mut focus, mut is_stale) = (0, true);
    loop {
        let now = Instant::now();
        for pane in panes.iter_mut() {
            is_stale |= pane.tick(now);
        }
        if std::mem::take(&mut is_stale) {
            terminal.draw(|frame| draw::draw(frame, panes, focus))?;
        }
        if !event::poll(TICK)? {
            continue;
        }
        is_stale = true;
        let Event::Key(key) = event::read()? else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        match key.code {
            KeyCode::Char('q' | 'c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
            KeyCode::Tab if panes.len() > 1 => focus = (focus + 1) % panes.len(),
            _ => {
                if let Some(pane) = panes.get_mut(focus) {
                    pane.press(key, now);
                }
            }
        }
    }
}
