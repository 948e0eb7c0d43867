//! Tabs with one store, whose messages, timers and apps run in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// No tab of ours.
const THIEF: u64 = 0;

/// A browser: tabs, a lock, a channel, and a store that can be opened once.
#[derive(Default)]
struct Browser {
    tabs: BTreeMap<u64, Open>,
    /// The holder of the lock comes first.
    lock: VecDeque<u64>,
    /// The tab that has the store open.
    store: Option<u64>,
    /// Requests that have been done, with the owner that did them.
    done: Vec<(Term, String)>,
    come: u64,
}

/// A tab that is there.
struct Open {
    relay: Relay,
    wants_store: bool,
    inbox: VecDeque<Message>,
    has_timer: bool,
    work: VecDeque<Work>,
    asked: BTreeSet<u64>,
    answers: BTreeMap<u64, String>,
    notices: Vec<Notice>,
}

/// What the app of a tab is at.
#[derive(Debug)]
enum Work {
    Open,
    Write { term: Term, from: Tab, id: u64, request: String },
    Answer { term: Term, from: Tab, id: u64, answer: String },
    Close,
}

impl Browser {
    fn come(&mut self) -> u64 {
        self.come += 1;
        let tab = Open {
            relay: Relay::new(Tab(self.come)),
            wants_store: false,
            inbox: VecDeque::new(),
            has_timer: false,
            work: VecDeque::new(),
            asked: BTreeSet::new(),
            answers: BTreeMap::new(),
            notices: Vec::new(),
        };
        self.tabs.insert(self.come, tab);
        self.open(self.come);
        self.come
    }

    fn open(&mut self, tab: u64) {
        self.tabs.get_mut(&tab).unwrap().wants_store = true;
        self.handle(tab, Input::Open);
    }

    fn close(&mut self, tab: u64) {
        self.tabs.get_mut(&tab).unwrap().wants_store = false;
        self.handle(tab, Input::Close);
    }

    fn ask(&mut self, tab: u64) {
        let asked = &mut self.tabs.get_mut(&tab).unwrap().asked;
        let id = asked.len() as u64 + 1;
        asked.insert(id);
        self.handle(tab, Input::Asked { id, request: format!("{tab}/{id}") });
    }

    /// The tab is gone at once, and with it its lock and its file.
    fn kill(&mut self, tab: u64) {
        self.tabs.remove(&tab);
        if self.store == Some(tab) {
            self.store = None;
        }
        self.unlock(tab);
    }

    /// Somebody else takes the lock away, for a moment.
    fn rob(&mut self) {
        if let Some(holder) = self.lock.front_mut() {
            let tab = std::mem::replace(holder, THIEF);
            self.handle(tab, Input::Robbed);
            self.unlock(THIEF);
        }
    }

    fn unlock(&mut self, tab: u64) {
        let held = self.lock.front() == Some(&tab);
        self.lock.retain(|waiting| *waiting != tab);
        if held {
            self.grant();
        }
    }

    fn grant(&mut self) {
        if let Some(next) = self.lock.front().copied() {
            self.handle(next, Input::Locked);
        }
    }

    fn handle(&mut self, tab: u64, input: Input) {
        let actions = self.tabs.get_mut(&tab).unwrap().relay.handle(input);
        for action in actions {
            let open = self.tabs.get_mut(&tab).unwrap();
            match action {
                Action::Lock => {
                    self.lock.push_back(tab);
                    if self.lock.len() == 1 {
                        self.grant();
                    }
                }
                Action::Unlock => self.unlock(tab),
                Action::OpenApp => open.work.push_back(Work::Open),
                Action::CloseApp => open.work.push_back(Work::Close),
                Action::Serve { term, from, id, request } => {
                    open.work.push_back(Work::Write { term, from, id, request });
                }
                Action::Follow { .. } => {}
                Action::Greet { term, to } => {
                    let text = format!("{}", self.done.len());
                    self.handle(tab, Input::Pushed { term, to, text });
                }
                Action::Say(message) => {
                    for (_, other) in self.tabs.iter_mut().filter(|(other, _)| **other != tab) {
                        other.inbox.push_back(message.clone());
                    }
                }
                Action::Tell(Notice::Answer { id, answer }) => {
                    let before = open.answers.insert(id, answer);
                    assert_eq!(before, None, "an answer comes once");
                }
                Action::Tell(notice) => open.notices.push(notice),
                Action::Wake(_) => open.has_timer = true,
            }
        }
    }

    fn wake(&mut self, tab: u64) {
        if std::mem::take(&mut self.tabs.get_mut(&tab).unwrap().has_timer) {
            self.handle(tab, Input::Woke);
        }
    }

    fn deliver(&mut self, tab: u64) {
        if let Some(message) = self.tabs.get_mut(&tab).unwrap().inbox.pop_front() {
            self.handle(tab, Input::Heard(message));
        }
    }

    fn work(&mut self, tab: u64) {
        let open = self.tabs.get_mut(&tab).unwrap();
        let Some(work) = open.work.pop_front() else { return };
        let input = match work {
            Work::Open if self.store.is_some() => {
                assert_ne!(self.store, Some(tab), "a tab opens the store once");
                Input::Busy("the file is held".to_owned())
            }
            Work::Open => {
                self.store = Some(tab);
                Input::Opened
            }
            // What is written between this and the answer is lost for the asker if the tab is killed here.
            Work::Write { term, from, id, request } => {
                if self.store == Some(tab) {
                    self.done.push((term, request.clone()));
                    open.work.push_back(Work::Answer { term, from, id, answer: request });
                }
                return;
            }
            Work::Answer { term, from, id, answer } => Input::Answered { term, from, id, answer },
            Work::Close => {
                assert_eq!(self.store.take(), Some(tab), "what is closed was open");
                Input::Closed
            }
        };
        self.handle(tab, input);
    }

    /// Lets everything happen that is bound to happen.
    fn settle(&mut self) {
        for _ in 0..40 {
            for tab in self.tabs.keys().copied().collect::<Vec<_>>() {
                while !self.tabs[&tab].inbox.is_empty() {
                    self.deliver(tab);
                }
                while !self.tabs[&tab].work.is_empty() {
                    self.work(tab);
                }
                self.wake(tab);
            }
        }
    }

    fn notices(&self, tab: u64) -> &[Notice] {
        &self.tabs[&tab].notices
    }

    fn unanswered(&self, tab: u64) -> usize {
        self.tabs[&tab].asked.len() - self.tabs[&tab].answers.len()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Come,
    Open(usize),
    Close(usize),
    Ask(usize),
    Kill(usize),
    Deliver(usize),
    Work(usize),
    Wake(usize),
    Rob,
}

fn step() -> impl Strategy<Value = Step> {
    let tab = 0..4_usize;
    prop_oneof![
        2 => Just(Step::Come),
        2 => tab.clone().prop_map(Step::Open),
        2 => tab.clone().prop_map(Step::Close),
        8 => tab.clone().prop_map(Step::Ask),
        2 => tab.clone().prop_map(Step::Kill),
        16 => tab.clone().prop_map(Step::Deliver),
        12 => tab.clone().prop_map(Step::Work),
        4 => tab.prop_map(Step::Wake),
        1 => Just(Step::Rob),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_request_is_done_and_answered_whoever_owns_the_store_and_by_no_owner_twice(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut browser = Browser::default();
        for step in steps {
            let tabs: Vec<u64> = browser.tabs.keys().copied().collect();
            let pick = |number: usize| tabs.get(number % tabs.len().max(1)).copied();
            match step {
                Step::Come => {
                    browser.come();
                }
                Step::Rob => browser.rob(),
                Step::Open(tab) => pick(tab).into_iter().for_each(|tab| browser.open(tab)),
                Step::Close(tab) => pick(tab).into_iter().for_each(|tab| browser.close(tab)),
                Step::Ask(tab) => pick(tab).into_iter().for_each(|tab| browser.ask(tab)),
                Step::Kill(tab) => pick(tab).into_iter().for_each(|tab| browser.kill(tab)),
                Step::Deliver(tab) => pick(tab).into_iter().for_each(|tab| browser.deliver(tab)),
                Step::Work(tab) => pick(tab).into_iter().for_each(|tab| browser.work(tab)),
                Step::Wake(tab) => pick(tab).into_iter().for_each(|tab| browser.wake(tab)),
            }
        }
        browser.settle();
        let done: BTreeSet<&String> = browser.done.iter().map(|(_, request)| request).collect();
        for (tab, open) in &browser.tabs {
            for (id, answer) in &open.answers {
                prop_assert_eq!(answer, &format!("{tab}/{id}"));
                prop_assert!(done.contains(answer), "{} was answered and not done", answer);
            }
            if open.wants_store {
                prop_assert_eq!(browser.unanswered(*tab), 0, "tab {} waits", tab);
            }
        }
        let wanted = browser.tabs.values().any(|open| open.wants_store);
        prop_assert_eq!(browser.store.is_some(), wanted);
        let by_owner: BTreeSet<(u64, u32, &String)> =
            browser.done.iter().map(|(term, request)| (term.tab.0, term.number, request)).collect();
        prop_assert_eq!(by_owner.len(), browser.done.len(), "an owner has done a request twice");
    }
}

#[test]
fn the_first_tab_owns_the_store_and_the_next_one_follows_it() {
    let mut browser = Browser::default();
    let (first, second) = (browser.come(), browser.come());
    browser.settle();
    assert_eq!(browser.notices(first)[0], Notice::Owner);
    assert_eq!(browser.notices(second), [Notice::Follower, Notice::Push("0".to_owned())]);
    browser.ask(second);
    browser.settle();
    assert_eq!(browser.unanswered(second), 0);
}

#[test]
fn a_request_that_the_owner_did_not_answer_goes_to_the_next_owner() {
    let mut browser = Browser::default();
    let (first, second, third) = (browser.come(), browser.come(), browser.come());
    browser.settle();
    browser.ask(third);
    browser.deliver(first);
    browser.kill(first);
    browser.settle();
    assert_eq!(browser.notices(second).last(), Some(&Notice::Push("0".to_owned())));
    assert!(browser.notices(second).contains(&Notice::Owner));
    assert_eq!(browser.unanswered(third), 0);
    assert_eq!(browser.done.len(), 1);
}

#[test]
fn a_request_that_was_answered_while_its_tab_did_not_listen_is_answered_again_and_not_done_again() {
    let mut browser = Browser::default();
    let (first, second) = (browser.come(), browser.come());
    browser.settle();
    browser.ask(second);
    browser.deliver(first);
    browser.close(second);
    browser.work(first);
    browser.work(first);
    browser.deliver(second);
    assert_eq!(browser.unanswered(second), 1);
    browser.open(second);
    browser.settle();
    assert_eq!(browser.unanswered(second), 0);
    assert_eq!(browser.done.len(), 1);
}

#[test]
fn a_tab_whose_owner_is_frozen_says_so_and_goes_on_when_it_wakes() {
    let mut browser = Browser::default();
    let (_first, second) = (browser.come(), browser.come());
    browser.settle();
    browser.ask(second);
    browser.wake(second);
    assert!(!matches!(browser.notices(second).last(), Some(Notice::Waiting(_))));
    (0..5).for_each(|_| browser.wake(second));
    let waits = browser.notices(second).iter().filter(|notice| matches!(notice, Notice::Waiting(_))).count();
    assert_eq!(waits, 1);
    browser.settle();
    assert_eq!(browser.notices(second).last(), Some(&Notice::Follower));
    assert_eq!(browser.unanswered(second), 0);
}

#[test]
fn an_owner_that_closes_finishes_what_it_has_begun() {
    let mut browser = Browser::default();
    let (first, second) = (browser.come(), browser.come());
    browser.settle();
    browser.ask(second);
    browser.deliver(first);
    browser.close(first);
    browser.work(first);
    browser.work(first);
    browser.deliver(second);
    assert_eq!(browser.unanswered(second), 0);
    browser.settle();
    assert!(browser.notices(second).contains(&Notice::Owner));
    assert_eq!(browser.done.len(), 1);
}

#[test]
fn a_request_over_which_the_owner_crashes_is_not_given_to_the_next_one() {
    let mut browser = Browser::default();
    let (first, second) = (browser.come(), browser.come());
    browser.settle();
    browser.ask(second);
    browser.deliver(first);
    let ruined = Message::Ruined { to: Tab(second), id: 1, why: "a bug".to_owned() };
    browser.tabs.get_mut(&second).unwrap().inbox.push_back(ruined);
    browser.kill(first);
    browser.settle();
    assert!(browser.notices(second).contains(&Notice::Unanswered { id: 1, why: "a bug".to_owned() }));
    assert!(browser.notices(second).contains(&Notice::Owner));
    assert_eq!(browser.done, []);
}

#[test]
fn an_app_that_cannot_be_opened_lets_the_next_tab_try() {
    let mut browser = Browser::default();
    let (first, second) = (browser.come(), browser.come());
    browser.tabs.get_mut(&first).unwrap().work.clear();
    browser.handle(first, Input::Failed("there is no room".to_owned()));
    browser.settle();
    assert_eq!(browser.notices(first), [Notice::Failed("there is no room".to_owned())]);
    assert!(browser.notices(second).contains(&Notice::Owner));
}

#[test]
fn a_store_that_is_still_held_is_tried_again() {
    let mut browser = Browser { store: Some(99), ..Browser::default() };
    let first = browser.come();
    browser.settle();
    assert_eq!(browser.notices(first), [Notice::Waiting("the file is held".to_owned())]);
    browser.store = None;
    browser.settle();
    assert!(browser.notices(first).contains(&Notice::Owner));
}
