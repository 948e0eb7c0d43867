//! What users, power cuts and operators do to a world.

use std::time::Duration;

use super::{DeviceLog, Host, World, WorldHost};

impl<L: DeviceLog, H: WorldHost> World<L, H> {
    /// Does something that a user, a power cut or an operator might do.
    pub(super) fn whim(&mut self, messages: &mut u64) {
        let device = self.chance.below(self.plan.devices as u64) as usize;
        let host = self.chance.below(self.plan.hosts as u64) as usize;
        match self.chance.below(if L::FORGETS { 24 } else { 16 }) {
            0..=6 if *messages > 0 => {
                *messages -= 1;
                self.emit(device);
            }
            7 => self.restart(device),
            8 => {
                let backup = self.hosts[host].host.back_up();
                self.hosts[host].backup = backup;
            }
            9 if self.plan.restores => self.restore(host),
            10 => self.hosts[host].down_until = self.now + Duration::from_millis(self.chance.below(20_000)),
            11 => self.link(device, host),
            12 => self.network.kill_sockets(host, &mut self.chance),
            13 if self.chance.in_thousand(200) => {
                self.devices[device].skew = self.chance.below(200_000_000) as i64 - 100_000_000;
            }
            14 => self.tell_network(device),
            15.. => self.use_tools(device),
            _ => {}
        }
    }

    pub(super) fn restart(&mut self, device: usize) {
        self.note(|| format!("device {device} restarts"));
        let links: Vec<usize> = self.devices[device].links.iter().copied().collect();
        self.network.forget_device(device);
        let started = &mut self.devices[device];
        started.life += 1;
        started.log.restart();
        started.sessions.clear();
        for host in links {
            self.start_session(device, host);
        }
    }

    fn restore(&mut self, host: usize) {
        self.note(|| format!("host {host} is restored"));
        let Host { host: restored, backup, .. } = &mut self.hosts[host];
        restored.restore(backup);
        self.network.close_sockets(host, self.now, &mut self.chance);
    }

    fn tell_network(&mut self, device: usize) {
        let now = self.time_of(device);
        let hosts: Vec<usize> = self.devices[device].sessions.keys().copied().collect();
        for host in hosts {
            if let Some(session) = self.devices[device].sessions.get_mut(&host) {
                session.handle_network(now);
            }
            self.drive(device, host);
        }
    }

    pub(super) fn emit(&mut self, device: usize) {
        let now = self.time_of(device).wall;
        let emitting = &mut self.devices[device];
        let emitted = emitting.log.emit(now, &mut self.chance);
        emitting.emitted.extend(&emitted);
        for position in emitted {
            self.note(|| format!("device {device} emits {}", position.hash));
        }
        self.tell_pending(device, None);
    }

    /// Does something that people do now and then: undo, compact, export, import.
    fn use_tools(&mut self, device: usize) {
        let now = self.time_of(device).wall;
        let (chance, log) = (&mut self.chance, &mut self.devices[device].log);
        if L::FORGETS {
            self.ever.extend(log.messages());
        }
        let Some(used) = log.use_tools(now, chance, &mut self.backup) else { return };
        self.devices[device].emitted.extend(&used.emitted);
        self.note(|| format!("device {device}: {}", used.what));
        for position in used.emitted {
            self.note(|| format!("device {device} emits {}", position.hash));
        }
        self.tell_pending(device, None);
    }
}
