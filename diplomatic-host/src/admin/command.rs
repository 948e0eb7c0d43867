//! The commands, as one line each.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use diplomatic::standard::PublicKey;

/// What an operator wants of the running host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminCommand {
    /// Lists every account.
    List,
    /// Shows one account.
    Show(PublicKey),
    /// Lets a key in, whatever the admission; takes back a block.
    Allow(PublicKey),
    /// Keeps a key out. What it has stored stays.
    Block(PublicKey),
    /// Deletes an account with all bags.
    Delete(PublicKey),
    /// Gives a backup of one account.
    Export(PublicKey),
    /// Makes an invite that holds for a while.
    Invite(Duration),
    /// Gives a backup of everything.
    Backup,
    /// Takes a backup back.
    Restore,
    /// Gives room that deleted bags took back to the disk.
    Compact,
    /// Reads everything and looks for damage.
    Check,
}

/// A line is no command of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this host does not know the command: program and host should have the same version")]
pub struct UnknownCommand;

impl fmt::Display for AdminCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Show(key) => write!(f, "show {key}"),
            Self::Allow(key) => write!(f, "allow {key}"),
            Self::Block(key) => write!(f, "block {key}"),
            Self::Delete(key) => write!(f, "delete {key}"),
            Self::Export(key) => write!(f, "export {key}"),
            Self::Invite(valid) => write!(f, "invite {}", valid.as_secs()),
            Self::Backup => f.write_str("backup"),
            Self::Restore => f.write_str("restore"),
            Self::Compact => f.write_str("compact"),
            Self::Check => f.write_str("check"),
        }
    }
}

impl FromStr for AdminCommand {
    type Err = UnknownCommand;

    fn from_str(line: &str) -> Result<Self, UnknownCommand> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let key = |text: &str| text.parse().map_err(|_| UnknownCommand);
        match words[..] {
            ["list"] => Ok(Self::List),
            ["show", of] => key(of).map(Self::Show),
            ["allow", of] => key(of).map(Self::Allow),
            ["block", of] => key(of).map(Self::Block),
            ["delete", of] => key(of).map(Self::Delete),
            ["export", of] => key(of).map(Self::Export),
            ["invite", valid] => {
                valid.parse().map(|valid| Self::Invite(Duration::from_secs(valid))).map_err(|_| UnknownCommand)
            }
            ["backup"] => Ok(Self::Backup),
            ["restore"] => Ok(Self::Restore),
            ["compact"] => Ok(Self::Compact),
            ["check"] => Ok(Self::Check),
            _ => Err(UnknownCommand),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read_as_it_is_written() {
        let key = PublicKey::from_bytes([7; 32]);
        for command in [
            AdminCommand::List,
            AdminCommand::Show(key),
            AdminCommand::Allow(key),
            AdminCommand::Block(key),
            AdminCommand::Delete(key),
            AdminCommand::Export(key),
            AdminCommand::Invite(Duration::from_secs(9)),
            AdminCommand::Backup,
            AdminCommand::Restore,
            AdminCommand::Compact,
            AdminCommand::Check,
        ] {
            assert_eq!(command.to_string().parse(), Ok(command));
        }
        for line in ["", "list all", "show", "show me", "invite soon", "format"] {
            assert_eq!(line.parse::<AdminCommand>(), Err(UnknownCommand), "{line}");
        }
    }
}
