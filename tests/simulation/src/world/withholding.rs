//! A world whose host withholds messages from one device for ever: the device says so, asks the others, and gets them under
//! new numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use diplomatic::Position;

use super::{Broken, Chance, Fault, LyingHost, PATIENCE, Plan, QUIET, Quirks, RealLog, World, WorldHost};

/// Lets such a world run.
///
/// # Errors
///
/// [`Broken`], when the device does not say what is withheld, or does not get it.
pub fn withhold(seed: u64, trace: bool) -> Result<(), Broken> {
    let mut chance = Chance::new(seed);
    let plan = Plan {
        devices: chance.between(3, 5) as usize,
        hosts: 1,
        messages: chance.between(2, 12),
        faults: Duration::ZERO,
        badness: 0,
        restores: false,
        log_failures: 0,
    };
    let honest = |quirks, _| LyingHost::honest(Quirks { repeats_bags: true, ..quirks });
    let mut world = World::new(plan, chance, RealLog::new, honest);
    world.trace = trace;
    world.withhold().map_err(|fault| Broken { seed, fault })
}

impl World<RealLog, LyingHost> {
    fn withhold(&mut self) -> Result<(), Fault> {
        let victim = self.plan.devices - 1;
        self.hosts[0].host.heal();
        (0..victim).for_each(|device| self.link(device, 0));
        for _ in 0..self.plan.messages {
            let device = self.chance.below(victim as u64) as usize;
            self.emit(device);
            let pause = self.chance.below(20_000);
            self.let_pass(Duration::from_millis(pause));
        }
        // Everything is sent, and all have told of it.
        self.let_pass(QUIET * 60);
        let withheld = self.choose_withheld();
        self.note(|| format!("bags {withheld:?} are withheld from device {victim}"));
        let count = withheld.len() as u64;
        self.hosts[0].host.lies.withheld = withheld;
        self.hosts[0].host.lies.victim = Some(victim);
        self.link(victim, 0);
        self.wait_for_report(victim, count)?;
        self.wait_for_repair(victim)?;
        // A hole may hide what a device has not spoken of yet. When each has spoken again, it is known to hide nothing.
        for device in 0..self.plan.devices {
            self.emit(device);
        }
        self.let_pass(QUIET);
        self.come_to_rest()?;
        self.check_witnesses()
    }

    /// Waits until the device has what is withheld, from another place of the same host, as all others have.
    fn wait_for_repair(&mut self, victim: usize) -> Result<(), Fault> {
        let end = self.now + PATIENCE;
        while self.now < end {
            self.step(end);
            let status = self.devices[victim].sessions[&0].status();
            if status.withheld == 0 && status.skipped == 0 && self.check().is_ok() {
                return Ok(());
            }
        }
        self.check()
    }

    fn let_pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// Chooses some bags with messages that apps wrote.
    fn choose_withheld(&mut self) -> BTreeSet<u64> {
        let written: BTreeSet<Position> = self.devices.iter().flat_map(|device| device.emitted.clone()).collect();
        let bags = self.hosts[0].host.back_up().1.into_values().flatten();
        let opened = bags.map(|bag| self.hosts[0].keys.open_head(&bag.head).map(|opened| Position::of(opened.head())));
        let positions: Vec<Option<Position>> = opened.map(Result::ok).collect();
        // Of a message that the host has twice, nothing is withheld with one of the bags.
        let is_once = |position: &Position| positions.iter().flatten().filter(|other| *other == position).count() == 1;
        let is_meant = |position: &Position| written.contains(position) && is_once(position);
        let numbers = (1..).zip(&positions).filter(|(_, position)| position.as_ref().is_some_and(is_meant));
        let mut numbers: Vec<u64> = numbers.map(|(number, _)| number).collect();
        let mut chosen = BTreeSet::new();
        for _ in 0..self.chance.between(1, 3).min(numbers.len() as u64) {
            let place = self.chance.below(numbers.len() as u64) as usize;
            chosen.insert(numbers.swap_remove(place));
        }
        chosen
    }

    /// Waits until the status says how many messages are withheld, and the peers whose they are.
    fn wait_for_report(&mut self, victim: usize, count: u64) -> Result<(), Fault> {
        let end = self.now + PATIENCE;
        while self.now < end {
            self.step(end);
            let device = &mut self.devices[victim];
            let status = device.sessions[&0].status();
            if status.withheld != count {
                continue;
            }
            let peers = device.log.peers();
            let named = peers.devices.iter().map(|peer| peer.missing).sum::<u64>();
            let since = peers.devices.iter().filter(|peer| peer.missing > 0).all(|peer| peer.missing_since.is_some());
            if named == count && since && !status.is_in_sync() && status.to_string().contains("withholds") {
                return Ok(());
            }
        }
        let device = &mut self.devices[victim];
        let told = format!("{:?}, {:?}", device.sessions[&0].status(), device.log.peers());
        Err(Fault::NotReported(victim, count, told))
    }
}
