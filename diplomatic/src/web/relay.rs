//! Which tab owns the store, and what becomes of requests: without I/O.
//!
//! The browser's lock decides who owns the store. All that is decided here is what the worker of one tab does with the lock,
//! with the requests of its page, and with what the other tabs say on their channel.
//!
//! A request is kept until it is answered, and goes to each new owner, so it is done at least once. An owner keeps an answer
//! until the tab has it, so it does no request twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// While a tab waits for the owner, it asks this often whether the owner is still there.
const PING: u32 = 2_000;

/// So many of these questions in a row mean that the owner is frozen, or very busy.
const PATIENCE: u32 = 2;

/// How long until a store that somebody else still holds is tried again.
const RETRY: u32 = 200;

/// How long an owner that closes finishes what it has begun. What it has not finished, the next owner does.
const GRACE: u32 = 200;

const SILENT: &str = "another tab has the data open and does not answer, since the browser has put it to sleep or it is busy: \
                      switch to that tab or close it";

/// A tab, by a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Tab(pub(super) u64);

/// One ownership of the store: a tab may own it several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    tab: Tab,
    number: u32,
}

/// What tabs say to one another, on a channel that all of them hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    /// A tab has come, and wants to be greeted.
    Hello {
        from: Tab,
    },
    /// A tab waits, and wants to know whether the owner is still there.
    Ping,
    /// The owner is there.
    Owner {
        term: Term,
    },
    Ask {
        term: Term,
        from: Tab,
        id: u64,
        request: String,
    },
    Answer {
        term: Term,
        to: Tab,
        id: u64,
        answer: String,
    },
    /// The app has crashed over a request, which no other owner should try.
    Ruined {
        to: Tab,
        id: u64,
        why: String,
    },
    /// An answer has come, and need not be kept.
    Got {
        term: Term,
        from: Tab,
        id: u64,
    },
    /// Something for every page, or for that of one tab.
    Push {
        term: Term,
        to: Option<Tab>,
        text: String,
    },
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// The page wants the store open.
    Open,
    /// The page wants it closed.
    Close,
    /// The page has a request.
    Asked { id: u64, request: String },
    /// Another tab has said something.
    Heard(Message),
    /// The lock is ours.
    Locked,
    /// The lock was taken away.
    Robbed,
    /// The app is open.
    Opened,
    /// The store is held by something that does not know the lock.
    Busy(String),
    /// The app cannot be opened.
    Failed(String),
    /// The app has answered a request of this term.
    Answered { term: Term, from: Tab, id: u64, answer: String },
    /// The app has something for every page, or for that of one tab.
    Pushed { term: Term, to: Option<Tab>, text: String },
    /// The app is closed.
    Closed,
    /// The time of the last [`Action::Wake`] has come.
    Woke,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Wait for the lock.
    Lock,
    /// Let go of the lock, or wait for it no longer.
    Unlock,
    /// Open the app.
    OpenApp,
    /// Have the app push what it has, from now on.
    Follow { term: Term },
    /// Have the app push what pages need that have just come.
    Greet { term: Term, to: Option<Tab> },
    /// Have the app answer a request.
    Serve { term: Term, from: Tab, id: u64, request: String },
    /// Close the app.
    CloseApp,
    /// Say something to the other tabs.
    Say(Message),
    /// Say something to the page.
    Tell(Notice),
    /// Wake up in so many milliseconds, and not at an earlier time that was asked for.
    Wake(u32),
}

/// What a page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// This tab owns the store.
    Owner,
    /// Another tab does, and answers.
    Follower,
    /// Nobody answers, for this reason.
    Waiting(String),
    /// The store could not be opened, for this reason.
    Failed(String),
    Answer {
        id: u64,
        answer: String,
    },
    /// There is no answer, for this reason.
    Unanswered {
        id: u64,
        why: String,
    },
    Push(String),
}

/// The worker of one tab.
#[derive(Debug)]
pub(super) struct Relay {
    me: Tab,
    /// How often this tab has owned the store.
    terms: u32,
    state: State,
    /// Requests of the page without an answer.
    asked: BTreeMap<u64, String>,
    /// The requests that this owner has taken on, with the answers that may still be asked for.
    served: BTreeMap<(Tab, u64), Option<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Following {
        /// The owner that has taken the page's requests.
        owner: Option<Term>,
        /// Whether a time to wake up has been asked for.
        is_awaited: bool,
        /// How often the owner was asked whether it is there since it last said something.
        pings: u32,
    },
    /// With the lock.
    Opening {
        /// Whether the app is being opened now, and not again after a while.
        is_trying: bool,
        /// Whether the page knows that it waits.
        is_told: bool,
    },
    Owning(Term),
    /// Finishing what has been begun, to close then.
    Finishing {
        term: Term,
        /// Whether the page has asked for the store again meanwhile.
        is_wanted: bool,
    },
    /// The app is being closed, or is still being opened, to be closed then.
    Closing {
        is_opening: bool,
        is_wanted: bool,
    },
}

impl Relay {
    pub(super) const fn new(me: Tab) -> Self {
        Self { me, terms: 0, state: State::Closed, asked: BTreeMap::new(), served: BTreeMap::new() }
    }

    /// Takes what has happened, and returns what is to be done, in order.
    pub(super) fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        let act = &mut actions;
        match input {
            Input::Open => self.open(act),
            Input::Close => self.close(act),
            Input::Asked { id, request } => self.asked(id, request, act),
            Input::Heard(message) => self.heard(message, act),
            Input::Locked => self.locked(act),
            Input::Robbed => self.robbed(act),
            Input::Opened => self.opened(act),
            Input::Busy(why) => self.busy(why, act),
            Input::Failed(why) => self.failed(why, act),
            Input::Answered { term, from, id, answer } => self.answered(term, from, id, answer, act),
            Input::Pushed { term, to, text } => self.pushed(term, to, text, act),
            Input::Closed => self.closed(act),
            Input::Woke => self.woke(act),
        }
        actions
    }

    fn open(&mut self, act: &mut Vec<Action>) {
        match &mut self.state {
            State::Closed => {
                self.state = State::Following { owner: None, is_awaited: true, pings: 0 };
                act.extend([Action::Lock, Action::Say(Message::Hello { from: self.me }), Action::Wake(PING)]);
            }
            State::Finishing { is_wanted, .. } | State::Closing { is_wanted, .. } => *is_wanted = true,
            State::Following { .. } | State::Opening { .. } | State::Owning(_) => {}
        }
    }

    fn close(&mut self, act: &mut Vec<Action>) {
        match &mut self.state {
            State::Following { .. } => {
                self.state = State::Closed;
                act.push(Action::Unlock);
            }
            State::Opening { is_trying: true, .. } => {
                self.state = State::Closing { is_opening: true, is_wanted: false };
            }
            State::Opening { is_trying: false, .. } => {
                self.state = State::Closed;
                act.push(Action::Unlock);
            }
            State::Owning(term) => {
                let term = *term;
                self.finish(term, false, act);
            }
            State::Finishing { is_wanted, .. } | State::Closing { is_wanted, .. } => *is_wanted = false,
            State::Closed => {}
        }
    }

    fn finish(&mut self, term: Term, is_wanted: bool, act: &mut Vec<Action>) {
        self.state = State::Finishing { term, is_wanted };
        act.push(Action::Wake(GRACE));
        self.close_when_finished(act);
    }

    fn close_when_finished(&mut self, act: &mut Vec<Action>) {
        if let State::Finishing { is_wanted, .. } = self.state
            && self.served.values().all(Option::is_some)
        {
            self.close_now(is_wanted, act);
        }
    }

    fn close_now(&mut self, is_wanted: bool, act: &mut Vec<Action>) {
        self.state = State::Closing { is_opening: false, is_wanted };
        self.served.clear();
        act.push(Action::CloseApp);
    }

    fn closed(&mut self, act: &mut Vec<Action>) {
        if let State::Closing { is_wanted, .. } = self.state {
            self.state = State::Closed;
            act.push(Action::Unlock);
            if is_wanted {
                self.open(act);
            }
        }
    }

    fn asked(&mut self, id: u64, request: String, act: &mut Vec<Action>) {
        self.asked.insert(id, request.clone());
        match &mut self.state {
            State::Following { owner, is_awaited, .. } => {
                if let Some(term) = *owner {
                    act.push(Action::Say(Message::Ask { term, from: self.me, id, request }));
                }
                if !std::mem::replace(is_awaited, true) {
                    act.push(Action::Wake(PING));
                }
            }
            State::Owning(term) => {
                let term = *term;
                self.serve(term, self.me, id, request, act);
            }
            // The next owner gets it.
            State::Closed | State::Opening { .. } | State::Finishing { .. } | State::Closing { .. } => {}
        }
    }

    /// Takes a request on, unless it has been before.
    fn serve(&mut self, term: Term, from: Tab, id: u64, request: String, act: &mut Vec<Action>) {
        match self.served.get(&(from, id)) {
            None => {
                self.served.insert((from, id), None);
                act.push(Action::Serve { term, from, id, request });
            }
            Some(None) => {}
            Some(Some(answer)) => {
                let answer = answer.clone();
                act.push(Action::Say(Message::Answer { term, to: from, id, answer }));
            }
        }
    }

    fn answered(&mut self, of: Term, from: Tab, id: u64, answer: String, act: &mut Vec<Action>) {
        let (State::Owning(term) | State::Finishing { term, .. }) = self.state else { return };
        if of != term {
            return;
        }
        if from == self.me {
            self.served.remove(&(from, id));
            self.asked.remove(&id);
            act.push(Action::Tell(Notice::Answer { id, answer }));
        } else {
            self.served.insert((from, id), Some(answer.clone()));
            act.push(Action::Say(Message::Answer { term, to: from, id, answer }));
        }
        self.close_when_finished(act);
    }

    fn pushed(&self, of: Term, to: Option<Tab>, text: String, act: &mut Vec<Action>) {
        let (State::Owning(term) | State::Finishing { term, .. }) = self.state else { return };
        if of == term {
            if to.is_none() {
                act.push(Action::Tell(Notice::Push(text.clone())));
            }
            act.push(Action::Say(Message::Push { term, to, text }));
        }
    }

    fn heard(&mut self, message: Message, act: &mut Vec<Action>) {
        match self.state {
            State::Owning(term) => self.heard_by_owner(term, message, act),
            State::Finishing { term, .. } => {
                if let Message::Got { .. } = message {
                    self.heard_by_owner(term, message, act);
                }
            }
            State::Following { .. } => self.heard_by_follower(message, act),
            // The crash of the last owner.
            State::Opening { .. } => {
                if let Message::Ruined { .. } = message {
                    self.heard_by_follower(message, act);
                }
            }
            State::Closed | State::Closing { .. } => {}
        }
    }

    fn heard_by_owner(&mut self, term: Term, message: Message, act: &mut Vec<Action>) {
        match message {
            Message::Hello { from } => {
                act.extend([Action::Say(Message::Owner { term }), Action::Greet { term, to: Some(from) }]);
            }
            Message::Ping => act.push(Action::Say(Message::Owner { term })),
            Message::Ask { term: to, from, id, request } if to == term => self.serve(term, from, id, request, act),
            Message::Got { term: to, from, id } if to == term => {
                self.served.remove(&(from, id));
            }
            Message::Ask { .. }
            | Message::Got { .. }
            | Message::Owner { .. }
            | Message::Answer { .. }
            | Message::Ruined { .. }
            | Message::Push { .. } => {}
        }
    }

    fn heard_by_follower(&mut self, message: Message, act: &mut Vec<Action>) {
        match message {
            Message::Owner { term } => self.found(term, act),
            Message::Answer { term, to, id, answer } if to == self.me => {
                self.found(term, act);
                act.push(Action::Say(Message::Got { term, from: to, id }));
                if self.asked.remove(&id).is_some() {
                    act.push(Action::Tell(Notice::Answer { id, answer }));
                }
            }
            Message::Ruined { to, id, why } if to == self.me => {
                if self.asked.remove(&id).is_some() {
                    act.push(Action::Tell(Notice::Unanswered { id, why }));
                }
            }
            Message::Push { term, to, text } if to.is_none_or(|to| to == self.me) => {
                self.found(term, act);
                act.push(Action::Tell(Notice::Push(text)));
            }
            Message::Hello { .. }
            | Message::Ping
            | Message::Ask { .. }
            | Message::Answer { .. }
            | Message::Ruined { .. }
            | Message::Got { .. }
            | Message::Push { .. } => {}
        }
    }

    /// Notes that an owner is there, and gives a new one the requests of the page. The browser's lock lets no two be there at
    /// once, so what is heard last is the latest.
    fn found(&mut self, term: Term, act: &mut Vec<Action>) {
        let State::Following { owner, pings, .. } = &mut self.state else { return };
        let was_silent = std::mem::take(pings) >= PATIENCE;
        let is_new = owner.replace(term) != Some(term);
        if is_new || was_silent {
            act.push(Action::Tell(Notice::Follower));
        }
        if is_new {
            act.extend(self.asked.iter().map(|(id, request)| {
                Action::Say(Message::Ask { term, from: self.me, id: *id, request: request.clone() })
            }));
        }
    }

    fn locked(&mut self, act: &mut Vec<Action>) {
        if let State::Following { .. } = self.state {
            self.state = State::Opening { is_trying: true, is_told: false };
            act.push(Action::OpenApp);
        } else {
            act.push(Action::Unlock);
        }
    }

    /// Lets go of the store at once: whoever took the lock waits for it.
    fn robbed(&mut self, act: &mut Vec<Action>) {
        match self.state {
            State::Owning(_) => self.close_now(true, act),
            State::Finishing { is_wanted, .. } => self.close_now(is_wanted, act),
            State::Opening { is_trying: true, .. } => {
                self.state = State::Closing { is_opening: true, is_wanted: true };
            }
            State::Opening { is_trying: false, .. } => {
                self.state = State::Closed;
                self.open(act);
            }
            State::Closed | State::Following { .. } | State::Closing { .. } => {}
        }
    }

    fn opened(&mut self, act: &mut Vec<Action>) {
        match &mut self.state {
            State::Opening { .. } => {}
            State::Closing { is_opening, .. } => {
                *is_opening = false;
                act.push(Action::CloseApp);
                return;
            }
            State::Closed | State::Following { .. } | State::Owning(_) | State::Finishing { .. } => return,
        }
        self.terms += 1;
        let term = Term { tab: self.me, number: self.terms };
        self.state = State::Owning(term);
        act.extend([
            Action::Tell(Notice::Owner),
            Action::Say(Message::Owner { term }),
            Action::Greet { term, to: None },
            Action::Follow { term },
        ]);
        for (id, request) in self.asked.clone() {
            self.serve(term, self.me, id, request, act);
        }
    }

    fn busy(&mut self, why: String, act: &mut Vec<Action>) {
        match &mut self.state {
            State::Opening { is_trying, is_told } => {
                *is_trying = false;
                if !std::mem::replace(is_told, true) {
                    act.push(Action::Tell(Notice::Waiting(why)));
                }
                act.push(Action::Wake(RETRY));
            }
            State::Closing { .. } => self.closed(act),
            State::Closed | State::Following { .. } | State::Owning(_) | State::Finishing { .. } => {}
        }
    }

    fn failed(&mut self, why: String, act: &mut Vec<Action>) {
        match self.state {
            State::Opening { .. } => {
                self.state = State::Closed;
                act.extend([Action::Unlock, Action::Tell(Notice::Failed(why))]);
            }
            State::Closing { .. } => self.closed(act),
            State::Closed | State::Following { .. } | State::Owning(_) | State::Finishing { .. } => {}
        }
    }

    fn woke(&mut self, act: &mut Vec<Action>) {
        match &mut self.state {
            State::Following { owner, is_awaited, pings } => {
                *is_awaited = owner.is_none() || !self.asked.is_empty();
                if *is_awaited {
                    *pings = pings.saturating_add(1);
                    if *pings == PATIENCE {
                        act.push(Action::Tell(Notice::Waiting(SILENT.to_owned())));
                    }
                    act.extend([Action::Say(Message::Ping), Action::Wake(PING)]);
                }
            }
            State::Opening { is_trying, .. } => {
                if !std::mem::replace(is_trying, true) {
                    act.push(Action::OpenApp);
                }
            }
            State::Finishing { is_wanted, .. } => {
                let is_wanted = *is_wanted;
                self.close_now(is_wanted, act);
            }
            State::Closed | State::Owning(_) | State::Closing { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
