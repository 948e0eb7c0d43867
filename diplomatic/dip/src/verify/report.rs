//! What checking the store and the hosts came to, for people and for scripts.

use diplomatic::SyncStatus;
use diplomatic::inspect::{DamagedBag, Gap, HostAudit, Missing, MissingReason};
use serde::Serialize;

use crate::device::line;
use crate::failure::Failure;
use crate::hosts::Host;
use crate::output::Output;
use crate::shown::{Count, Shown};

/// How many problems of a host are listed individually.
const TOLD: usize = 20;

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) messages: u64,
    /// How many of them are the framework's own, by which devices tell one another what they have written.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) notes: u64,
    /// The digest of everything in the store, as four words.
    pub(super) words: String,
    /// What is wrong with the store.
    pub(super) problems: Vec<String>,
    pub(super) hosts: Vec<HostReport>,
    /// How many messages of other devices are missing, by what they say.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) missing: u64,
    /// What else is wrong, in one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) troubles: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A host compared with the store.
#[derive(Debug, Serialize)]
pub(super) struct HostReport {
    #[serde(flatten)]
    host: Host,
    /// Whether the host knows the account.
    account_known: bool,
    bags: u64,
    /// How many bodies were fetched and checked; `None` if none was to be.
    bodies: Option<u64>,
    /// The digest of everything that can be read there, as four words.
    words: String,
    /// On the host, but not read by this device yet.
    to_receive: u64,
    /// In the store, but not sent to the host yet.
    to_send: u64,
    /// On the host and not in the store, though this device has read that far.
    missing_here: u64,
    /// Sent to the host before, but not there, or not readably.
    missing_there: u64,
    /// Stored at the host more than once, which is harmless.
    repeated: u64,
    /// Bags that cannot be read and may hold something that is missing: their numbers, and why.
    damaged: Vec<String>,
    /// Numbers that the host leaves out and that may hide something.
    gaps: Vec<String>,
    /// Bags that cannot be read, but hold nothing that is missing.
    harmless_damage: Vec<String>,
    /// Numbers that the host leaves out, but that hide nothing.
    harmless_gaps: Vec<String>,
    /// What a repair did; `None` if there was none.
    repaired: Option<Repaired>,
}

/// What a repair did.
#[derive(Debug, Serialize)]
struct Repaired {
    /// How many messages the host has now and lacked before.
    sent: u64,
    /// How many messages of the host this device has now and lacked before.
    received: u64,
}

impl Report {
    pub(super) fn is_wrong(&self) -> bool {
        !self.problems.is_empty() || self.missing > 0 || self.hosts.iter().any(HostReport::is_wrong)
    }

    /// Tells whether a sync could make something better.
    pub(super) fn could_be_better(&self) -> bool {
        let is_on_its_way = |host: &HostReport| host.to_send > 0 || host.to_receive > 0;
        self.is_wrong() || self.hosts.iter().any(is_on_its_way)
    }

    /// Notes what a repair has changed, and what stood in its way.
    pub(super) fn note_repairs(&mut self, before: &Self, synced: &SyncStatus) {
        for host in &mut self.hosts {
            let before = before.hosts.iter().find(|other| other.host == host.host);
            host.repaired = Some(before.map_or(Repaired { sent: 0, received: 0 }, |before| host.repairs_since(before)));
        }
        let troubled = synced.hosts().iter().filter(|host| !host.is_caught_up());
        self.troubles.extend(troubled.map(|host| format!("Sync: {}", line(host))));
    }

    pub(super) fn print(&self, output: Output) -> Result<(), Failure> {
        if output.is_json {
            return output.result(self, "");
        }
        let mut out = output.lines();
        let state = if self.problems.is_empty() { "in order" } else { "damaged" };
        let notes = match self.notes {
            0 => String::new(),
            notes => format!(" and {} of what devices tell one another", Count(notes, "note")),
        };
        let messages = Count(self.messages - self.notes, "message");
        out.text(format_args!("Store: {messages}{notes}, {state} ({})", self.words))?;
        self.problems.iter().try_for_each(|problem| out.text(format_args!("  {}", Shown(problem))))?;
        self.hosts.iter().flat_map(HostReport::lines).try_for_each(|line| out.text(line))?;
        self.troubles.iter().try_for_each(|trouble| out.text(trouble))?;
        out.flush()
    }
}

impl HostReport {
    pub(super) fn of(host: &Host, audit: &HostAudit, is_linked: bool, with_bodies: bool) -> Self {
        let count = |missing: &[Missing], reason| missing.iter().filter(|one| one.reason == reason).count() as u64;
        let HostAudit { bags, digest, repeated, bodies, damaged, gaps, missing_here, missing_there, .. } = audit;
        let unread = count(missing_here, Some(MissingReason::Unread));
        let unexplained = count(missing_here, None);
        // A host that was never read is still to be read.
        let (to_receive, missing_here) = if is_linked { (unread, unexplained) } else { (unread + unexplained, 0) };
        let queued = count(missing_there, Some(MissingReason::Queued));
        let lacking = count(missing_there, None);
        let (to_send, missing_there) = if is_linked { (queued, lacking) } else { (queued + lacking, 0) };
        let bag = |bag: &DamagedBag| format!("bag {}: {}", bag.seq, bag.cause);
        let gap = |gap: &Gap| {
            if gap.first == gap.last { gap.first.to_string() } else { format!("{} to {}", gap.first, gap.last) }
        };
        Self {
            host: host.public(),
            account_known: true,
            bags: *bags,
            bodies: with_bodies.then_some(*bodies),
            words: digest.map(|digest| digest.words()).unwrap_or_default(),
            to_receive,
            to_send,
            missing_here,
            missing_there,
            repeated: *repeated,
            damaged: damaged.iter().filter(|bag| !bag.is_harmless).map(bag).collect(),
            gaps: gaps.iter().filter(|gap| !gap.is_harmless).map(gap).collect(),
            harmless_damage: damaged.iter().filter(|bag| bag.is_harmless).map(bag).collect(),
            harmless_gaps: gaps.iter().filter(|gap| gap.is_harmless).map(gap).collect(),
            repaired: None,
        }
    }

    /// A host that was in use and does not know the account any more.
    pub(super) fn of_unknown(host: &Host, messages: u64) -> Self {
        let audit = HostAudit::default();
        Self { account_known: false, missing_there: messages, ..Self::of(host, &audit, true, false) }
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.missing_here > 0
            || self.missing_there > 0
            || !self.account_known
            || !self.damaged.is_empty()
            || !self.gaps.is_empty()
    }

    fn repairs_since(&self, before: &Self) -> Repaired {
        let (lacking, lacking_before) = (self.missing_there + self.to_send, before.missing_there + before.to_send);
        let (unread, unread_before) = (self.missing_here + self.to_receive, before.missing_here + before.to_receive);
        Repaired { sent: lacking_before.saturating_sub(lacking), received: unread_before.saturating_sub(unread) }
    }

    fn lines(&self) -> Vec<String> {
        let Self { host, bags, words, to_receive, to_send, repeated, .. } = self;
        let name = format!("Host {host} at {}", host.place());
        let state = if self.is_wrong() { "not in order" } else { "in order" };
        let mut lines = vec![match self.account_known {
            true => format!("{name}: {}, {state} ({words})", Count(*bags, "bag")),
            false => format!("{name}: it does not know the account any more"),
        }];
        let mut tell = |count: u64, what: &str| {
            if count > 0 {
                lines.push(format!("  {}", what.replace("{}", &Count(count, "message").to_string())));
            }
        };
        if let Some(Repaired { sent, received }) = self.repaired {
            tell(sent, "{} sent again");
            tell(received, "{} received");
        }
        let is_repaired = self.repaired.is_some();
        tell(*to_receive, "{} to receive: `dip sync` does it");
        tell(*to_send, "{} to send: `dip sync` does it");
        tell(
            self.missing_here,
            if is_repaired {
                "{} listed there and missing here: the host does not deliver what it lists"
            } else {
                "{} listed there and missing here, though this device has read that far: try `dip verify --repair`"
            },
        );
        tell(
            self.missing_there,
            if is_repaired {
                "{} missing on the host, though sent again: ask its operator to check its storage, and add another host"
            } else {
                "{} missing on the host, though sent before: `dip verify --repair` sends what is missing"
            },
        );
        tell(*repeated, "{} stored there more than once, which is harmless");
        self.list(&mut lines);
        lines
    }

    /// Lists what is damaged and left out, and says what would help.
    fn list(&self, lines: &mut Vec<String>) {
        for (places, what) in [(&self.damaged, "damaged"), (&self.gaps, "left out: number")] {
            lines.extend(places.iter().take(TOLD).map(|place| format!("  {what}: {place}")));
            if places.len() > TOLD {
                lines.push(format!("  {what}: and {} more", places.len() - TOLD));
            }
        }
        if self.missing_there == 0 && !(self.damaged.is_empty() && self.gaps.is_empty()) {
            lines.push(
                "  What was there is not here: use `dip verify --bodies --repair` on the device that has it".to_owned(),
            );
        }
        let harmless = self.harmless_damage.len() + self.harmless_gaps.len();
        if harmless > 0 {
            let what = Count(harmless as u64, "place");
            lines.push(format!("  {what} damaged or left out, which is harmless: nothing that was there is missing"));
        }
    }
}
