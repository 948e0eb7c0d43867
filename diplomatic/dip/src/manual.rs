//! `dip completions` and `dip man`, generated from the command line's definition.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::command::Line;
use crate::failure::Failure;

pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "dip", &mut script);
    io::stdout().write_all(&script).map_err(Failure::Output)
}

/// Writes one page for each command to the directory; without one, prints the first page.
pub(crate) fn pages(directory: Option<&Path>) -> Result<(), Failure> {
    let mut dip = Line::command();
    dip.build();
    let Some(directory) = directory else {
        let mut page = Vec::new();
        Man::new(dip).render(&mut page).map_err(Failure::Output)?;
        return io::stdout().write_all(&page).map_err(Failure::Output);
    };
    write_pages(dip, directory).map_err(|source| Failure::File { path: directory.display().to_string(), source })
}

fn write_pages(dip: clap::Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut left = vec![dip];
    while let Some(command) = left.pop() {
        // `help` says what the pages say.
        let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
        left.extend(commands.cloned());
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut page = Vec::new();
        Man::new(command).title(&name).render(&mut page)?;
        fs::write(directory.join(format!("{name}.1")), page)?;
    }
    Ok(())
}
