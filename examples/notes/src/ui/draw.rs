//! What is on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, List, ListState, Paragraph, Wrap};

use super::keys::{ASK_KEYS, EDIT_KEYS, LIST_KEYS, PAST_KEYS};
use super::pane::{Mode, Pane, Question};
use super::past::author;
use crate::note::Note;

/// Draws all panes, side by side.
pub(super) fn draw(frame: &mut Frame<'_>, panes: &mut [Pane], focus: usize) {
    let [above, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(2)]).areas(frame.area());
    let areas = Layout::horizontal(panes.iter().map(|_| Constraint::Fill(1))).split(above);
    for (number, (pane, area)) in panes.iter_mut().zip(areas.iter()).enumerate() {
        draw_pane(frame, pane, *area, number == focus);
    }
    if let Some(pane) = panes.get(focus) {
        let keys = match &pane.mode {
            Mode::List => LIST_KEYS,
            Mode::Edit(_) => EDIT_KEYS,
            Mode::Past(_) => PAST_KEYS,
            Mode::Ask(..) => ASK_KEYS,
        };
        let switch = if panes.len() > 1 { "Tab other device · " } else { "" };
        frame.render_widget(Paragraph::new(format!("{switch}{keys}")).dim().wrap(Wrap { trim: true }), below);
    }
}

fn draw_pane(frame: &mut Frame<'_>, pane: &mut Pane, area: Rect, has_focus: bool) {
    let border = if has_focus { Style::new().cyan() } else { Style::new().dim() };
    let title = format!(" {} · {} notes ", pane.name, pane.count);
    let block = Block::bordered().border_style(border).title(title).title_bottom(format!(" {} ", sync(pane)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(inner);
    draw_query(frame, pane, top, has_focus);
    let is_wide = inner.width >= 60;
    let share = if matches!(pane.mode, Mode::Past(_)) { 55 } else { 35 };
    let (list, note) = if is_wide {
        let [list, _, note] =
            Layout::horizontal([Constraint::Percentage(share), Constraint::Length(1), Constraint::Fill(1)])
                .areas(middle);
        (list, note)
    } else {
        let [list, note] = Layout::vertical([Constraint::Percentage(40), Constraint::Fill(1)]).areas(middle);
        (list, note)
    };
    match &pane.mode {
        Mode::Past(_) => draw_past(frame, pane, list, note),
        _ => {
            draw_list(frame, pane, list);
            draw_note(frame, pane, note, has_focus);
        }
    }
    draw_message(frame, pane, bottom, has_focus);
}

/// Returns how sync is doing.
fn sync(pane: &Pane) -> String {
    if pane.device.client().as_async().is_offline() {
        return "offline (Ctrl-O goes online)".to_owned();
    }
    match pane.status.hosts() {
        [] => "no host: the notes stay on this device".to_owned(),
        hosts => hosts.iter().map(|host| printable(&host.to_string())).collect::<Vec<_>>().join(", "),
    }
}

fn draw_query(frame: &mut Frame<'_>, pane: &Pane, area: Rect, has_focus: bool) {
    let folder =
        pane.folder_name(pane.folder.as_ref()).map(|name| format!("in {} ", printable(&name))).unwrap_or_default();
    let prompt = format!("Search {folder}› ");
    let column = area.x.saturating_add(width(&prompt)).saturating_add(width(&pane.query));
    frame.render_widget(Line::from(vec![Span::from(prompt).dim(), Span::from(printable(&pane.query))]), area);
    if has_focus && matches!(pane.mode, Mode::List) {
        frame.set_cursor_position(Position::new(column.min(area.right()), area.y));
    }
}

fn draw_list(frame: &mut Frame<'_>, pane: &mut Pane, area: Rect) {
    pane.resize(area.height.into());
    if pane.found.is_empty() {
        let none = if pane.query.is_empty() { "No notes. Ctrl-N begins one." } else { "Nothing found." };
        frame.render_widget(Paragraph::new(none).dim(), area);
        return;
    }
    let titles = pane.found.iter().map(|found| match printable(&found.title) {
        title if title.trim().is_empty() => "(no title)".to_owned(),
        title => title,
    });
    let list = List::new(titles).highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = ListState::default().with_selected(Some(pane.selected));
    frame.render_stateful_widget(list, area, &mut state);
}

fn draw_note(frame: &mut Frame<'_>, pane: &Pane, area: Rect, has_focus: bool) {
    match &pane.mode {
        Mode::Edit(editor) => {
            frame.render_widget(&editor.area, area);
            if has_focus && !editor.is_saved() {
                let mark = Rect { x: area.right().saturating_sub(1), width: 1, height: 1, ..area };
                frame.render_widget(Span::from("●").dim(), mark);
            }
        }
        _ => {
            if let Some((_, note)) = &pane.shown {
                frame.render_widget(text(pane, note), area);
            }
        }
    }
}

fn text(pane: &Pane, note: &Note) -> Paragraph<'static> {
    let folder = pane.folder_name(note.folder.as_ref()).map(|name| format!("in {} ", printable(&name)));
    let tags: Vec<String> = note.tags.iter().map(|tag| format!("#{}", printable(tag))).collect();
    let about = format!("{}{}", folder.unwrap_or_default(), tags.join(" "));
    let mut lines = vec![Line::from(printable(&note.title)).bold()];
    if !about.is_empty() {
        lines.push(Line::from(about).dim());
    }
    let files = note.files.iter().map(|(name, file)| format!("file {} ({})", printable(name), size(file.len())));
    lines.extend(files.map(|file| Line::from(file).dim()));
    lines.extend(note.text.lines().map(|line| Line::from(printable(line))));
    Paragraph::new(Text::from(lines)).wrap(Wrap { trim: false })
}

fn draw_past(frame: &mut Frame<'_>, pane: &Pane, list: Rect, note: Rect) {
    let Mode::Past(past) = &pane.mode else { return };
    let lines = past.lines(&|entry| printable(&author(pane, entry)));
    let lines = List::new(lines.iter().map(|line| printable(line)).collect::<Vec<_>>());
    let mut state = ListState::default().with_selected(Some(past.selected));
    frame.render_stateful_widget(
        lines.highlight_style(Style::new().add_modifier(Modifier::REVERSED)),
        list,
        &mut state,
    );
    match past.note() {
        Some(then) => frame.render_widget(text(pane, &then), note),
        None => frame.render_widget(Paragraph::new("It was not there.").dim(), note),
    }
}

fn draw_message(frame: &mut Frame<'_>, pane: &Pane, area: Rect, has_focus: bool) {
    let Mode::Ask(question, typed) = &pane.mode else {
        frame.render_widget(Span::from(printable(&pane.message)).yellow(), area);
        return;
    };
    let prompt = match question {
        Question::Folder => "Folder › ",
        Question::Tags => "Tags › ",
        Question::Attach => "Path of a file, or -NAME to take one away › ",
        Question::Save => "Save here the file › ",
    };
    frame.render_widget(Line::from(vec![Span::from(prompt).dim(), Span::from(printable(typed))]), area);
    if has_focus {
        let column = area.x.saturating_add(width(prompt)).saturating_add(width(typed));
        frame.set_cursor_position(Position::new(column.min(area.right()), area.y));
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn width(text: &str) -> u16 {
    u16::try_from(Span::from(text).width()).unwrap_or(u16::MAX)
}

/// Returns a text without what would command the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
