//! Two devices of one person, each with a way to the host that can be cut.

use super::browser::Browser;
use super::device::Device;
use super::host::{Cable, RunningHost};
use super::page::Page;

/// A phone and a laptop, each a program of its own.
pub(crate) struct Pair {
    pub(crate) phone: Device,
    pub(crate) laptop: Device,
    pub(crate) cables: [Cable; 2],
    _host: RunningHost,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let host = RunningHost::start();
        let cables = [host.cable(), host.cable()];
        let [phone, laptop] = [&cables[0], &cables[1]].map(|cable| Device::start(cable.url()));
        Self { phone, laptop, cables, _host: host }
    }

    /// Opens the pages of both.
    pub(crate) fn open<'a>(&self, browser: &'a Browser) -> [Page<'a>; 2] {
        [&self.phone, &self.laptop].map(|device| {
            let page = browser.open(device.address(), "this");
            page.is_in_sync();
            page
        })
    }

    /// Cuts both off from the host, and waits until both pages say so.
    pub(crate) fn go_offline(&mut self, pages: &[Page<'_>; 2]) {
        self.cables.iter_mut().for_each(Cable::pull_out);
        for page in pages {
            page.until("notice that the host is gone", |view| view.status.starts_with("No sync"));
        }
    }

    /// Brings both back, and waits until all that waited is with the host.
    pub(crate) fn go_online(&mut self, pages: &[Page<'_>; 2]) {
        self.cables.iter_mut().for_each(Cable::plug_in);
        pages.iter().for_each(|page| drop(page.is_in_sync()));
    }
}

/// Waits until both show these items, in this order.
#[track_caller]
pub(crate) fn both_show<const N: usize>(pages: &[Page<'_>; 2], lines: [&str; N]) {
    pages.iter().for_each(|page| drop(page.shows(lines)));
}
