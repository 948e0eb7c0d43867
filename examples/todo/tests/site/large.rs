//! Many items.

use std::time::Instant;

use diplomatic::Client;
use todo::{OrderKey, TodoEvent, Todos, inbox};

use crate::built::in_site;
use crate::support::browser::wait;
use crate::support::device::SEED;
use crate::support::host::RunningHost;

const MANY: usize = 10_000;

#[test]
fn ten_thousand_items_are_synced_shown_and_changed() {
    in_site(|browser, site| {
        let host = RunningHost::start();
        let cable = host.cable();
        furnish(&cable.url());
        let page = browser.open(&site.address(), "this");
        let start = Instant::now();
        page.start_with(&cable.url());
        let rows = "return document.querySelectorAll('ul[aria-label=Items] > li').length";
        page.until_so("show all", || page.run::<usize>(rows, &[]) == MANY);
        eprintln!("first sync of {MANY} items until all are shown: {:?}", start.elapsed());
        page.until_so("be in sync", || {
            page.run("return document.querySelector('[role=status]').textContent === 'In sync'", &[])
        });

        let shown = "return performance.now()";
        page.reload();
        page.until_so("show all", || page.run::<usize>(rows, &[]) == MANY);
        eprintln!("from navigation to the list of {MANY} items: at most {:.0} ms", page.run::<f64>(shown, &[]));
        let start = Instant::now();
        page.run::<()>("document.querySelector('ul[aria-label=Items] > li [type=checkbox]').click()", &[]);
        page.until_so("tick the first", || {
            let script = "return document.querySelector('[data-asking]').dataset.asking === '0'
                && document.querySelector('ul[aria-label=Items] > li').dataset.done === 'true'";
            page.run(script, &[])
        });
        eprintln!("to tick one of them: {:?}", start.elapsed());
    });
}

fn furnish(host: &str) {
    let (seed, host) = (SEED.parse().expect("it is a seed"), host.to_owned());
    wait(async move {
        let client = Client::<Todos>::builder(seed).in_memory().host(host).open().await.expect("it opens");
        let mut order = OrderKey::default();
        let items = (0..MANY).map(|number| {
            order = OrderKey::between(Some(&order), None).unwrap_or_default();
            TodoEvent::Added { list: inbox(), title: format!("Item {number}"), order: order.clone() }
        });
        client.emit_all(items.collect()).await.expect("memory does not fail");
        assert!(client.sync().await.expect("it is open").is_caught_up());
        client.close().await;
    });
}
