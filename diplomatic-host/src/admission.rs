//! Who may have an account: the operator's rules, and invites.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use diplomatic::standard::{PublicKey, Timestamp};
use futures_util::lock::Mutex as Turn;

use crate::neighbourhood::neighbourhood;
use crate::{BagStore, Refusal, StoreError};

/// Whom a host registers. Keys that the operator blocked are refused in every case, and those that the operator allowed
/// or invited are registered in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Admission {
    /// Everyone.
    #[default]
    Open,
    /// The first account that ever comes to a host, and then nobody else.
    Closed,
    /// Nobody else.
    AllowList,
}

/// What is known of who is at the door, besides the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Visitor {
    /// Where the request comes from.
    pub address: Option<IpAddr>,
    /// The invite in the path of the request.
    pub invite: Option<InviteCode>,
}

/// What an invited person gets: whoever brings it first is registered.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InviteCode([u8; Self::LEN]);

impl InviteCode {
    pub(crate) const LEN: usize = 16;

    /// Makes a code of random bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Reads a code from its hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::LEN];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Returns the code in hex digits, as it stands in an invite's link.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// What stands for the code in the store: who reads a backup is not invited.
    fn note(&self) -> String {
        format!("{INVITES}{}", hex(blake3::hash(&self.0).as_bytes()))
    }
}

/// A code is as good as an account: it is not written to logs.
impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(..)")
    }
}

/// What the operator decided about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ruling {
    /// It is registered when it comes.
    Allowed,
    /// Every request of it is refused.
    Blocked,
}

/// Notes in the store: `access/KEY` is a ruling.
const ACCESS: &str = "access/";
/// `invite/HASH` is `until MS` for an open invite and `used KEY` for one that was brought.
const INVITES: &str = "invite/";
/// The key of the account that came first, or [`GONE`]. Once the note is there it stays: a host that was ever somebody's
/// is nobody else's, whatever becomes of the accounts.
const FIRST: &str = "first";
/// Stands for a first account that is deleted, or that is not known any more.
const GONE: &str = "gone";

/// How long after somebody opened an invite's link a client at the same address may register.
pub(crate) const DOOR: Duration = Duration::from_secs(10 * 60);
/// How many addresses are remembered for it.
const DOORS: usize = 10_000;

/// The guard: it knows the rulings by heart and looks up the rest in the store.
#[derive(Default)]
pub struct Gate {
    admission: Admission,
    /// Those of the configuration; the operator's commands add others.
    allowed: HashSet<PublicKey>,
    rulings: RwLock<HashMap<PublicKey, Ruling>>,
    doors: Mutex<HashMap<IpAddr, Door>>,
    /// Whether the rulings were read from the store.
    loaded: AtomicBool,
    /// Whether the note of the first account is there for sure.
    claimed: AtomicBool,
    /// Hears of every key that is blocked.
    on_block: OnceLock<Box<dyn Fn(PublicKey) + Send + Sync>>,
    /// Held while rulings go from the store to here or from here to the store: what was read must not undo what was
    /// ruled meanwhile.
    turn: Turn<()>,
}

/// Somebody at this address has opened an invite's link.
#[derive(Debug)]
struct Door {
    code: InviteCode,
    until: Timestamp,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("admission", &self.admission).finish_non_exhaustive()
    }
}

impl Gate {
    /// Returns a guard that knows no rulings yet: it reads them from the store when it needs them.
    pub fn new(admission: Admission, allowed: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { admission, allowed: allowed.into_iter().collect(), ..Self::default() }
    }

    /// Returns what the operator decided about a key, as far as it was read from the store.
    pub fn ruling(&self, key: &PublicKey) -> Option<Ruling> {
        let rulings = self.rulings.read().unwrap_or_else(PoisonError::into_inner);
        rulings.get(key).copied().or_else(|| self.allowed.contains(key).then_some(Ruling::Allowed))
    }

    /// Sets who hears of every key that is blocked. The first one stays.
    pub fn on_block(&self, hear: impl Fn(PublicKey) + Send + Sync + 'static) {
        let _ = self.on_block.set(Box::new(hear));
    }

    /// Refuses a blocked key.
    ///
    /// # Errors
    ///
    /// [`Refusal::Blocked`], or [`Refusal::Store`].
    pub async fn check(&self, store: &(impl BagStore + ?Sized), key: &PublicKey) -> Result<(), Refusal> {
        if !self.loaded.load(Ordering::Acquire) {
            self.load(store).await?;
        }
        match self.ruling(key) {
            Some(Ruling::Blocked) => Err(Refusal::Blocked),
            Some(Ruling::Allowed) | None => Ok(()),
        }
    }

    /// Decides whether a key that has no account gets one.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub async fn admit(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        key: &PublicKey,
        visitor: &Visitor,
    ) -> Result<(), Refusal> {
        self.check(store, key).await?;
        if !self.lets_in(store, now, key, visitor).await? {
            return Err(Refusal::NotAdmitted);
        }
        // Whoever is let in, and however: after that nobody is the first.
        self.claim(store, &key.to_string()).await?;
        Ok(())
    }

    async fn lets_in(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        key: &PublicKey,
        visitor: &Visitor,
    ) -> Result<bool, StoreError> {
        if self.admission == Admission::Open || self.ruling(key) == Some(Ruling::Allowed) {
            return Ok(true);
        }
        for code in visitor.invite.clone().into_iter().chain(self.door(now, visitor)) {
            if redeem(store, now, key, &code).await? {
                return Ok(true);
            }
        }
        Ok(self.admission == Admission::Closed && self.is_first(store, key).await?)
    }

    /// Tells whether a key is that of the first account: one alone, even if many come at once.
    async fn is_first(&self, store: &(impl BagStore + ?Sized), key: &PublicKey) -> Result<bool, StoreError> {
        let key = key.to_string();
        if let Some(first) = note(store, FIRST).await? {
            return Ok(first == key);
        }
        // Accounts from a time when nobody noted who was first.
        let claimant = if store.accounts(None, 1).await?.is_empty() { key.as_str() } else { GONE };
        self.claim(store, claimant).await?;
        Ok(note(store, FIRST).await? == Some(key))
    }

    /// Notes whose host this is, unless that is noted.
    async fn claim(&self, store: &(impl BagStore + ?Sized), claimant: &str) -> Result<(), StoreError> {
        if !self.claimed.load(Ordering::Acquire) {
            store.swap_note(FIRST.to_owned(), None, Some(claimant.to_owned())).await?;
            self.claimed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Tells whether an invite can still be used, and remembers for a while that it was opened from this address: most
    /// clients call the host without the path of the link.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn open_door(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        code: InviteCode,
        address: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let open = matches!(invite(store, &code).await?, Some(Invite::Open(until)) if now <= until);
        if let Some(address) = address.filter(|_| open) {
            let mut doors = self.doors();
            doors.retain(|_, door| now <= door.until);
            if doors.len() < DOORS {
                doors.insert(neighbourhood(address), Door { code, until: now.plus(DOOR) });
            }
        }
        Ok(open)
    }

    fn door(&self, now: Timestamp, visitor: &Visitor) -> Option<InviteCode> {
        let doors = self.doors();
        let door = doors.get(&neighbourhood(visitor.address?))?;
        (now <= door.until).then(|| door.code.clone())
    }

    fn doors(&self) -> MutexGuard<'_, HashMap<IpAddr, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the rulings from the store: at the start, and now and then for those of other processes.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn load(&self, store: &(impl BagStore + ?Sized)) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let notes = store.notes(ACCESS.to_owned()).await?;
        let rulings = notes
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(ACCESS)?.parse().ok()?, Ruling::parse(value)?)));
        let rulings: HashMap<_, _> = rulings.collect();
        if let Some(hear) = self.on_block.get() {
            let blocked = rulings.iter().filter(|(_, ruling)| **ruling == Ruling::Blocked);
            blocked.for_each(|(key, _)| hear(*key));
        }
        *self.rulings.write().unwrap_or_else(PoisonError::into_inner) = rulings;
        self.loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Sets or takes back a ruling.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn rule(
        &self,
        store: &(impl BagStore + ?Sized),
        key: &PublicKey,
        ruling: Option<Ruling>,
    ) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        set(store, format!("{ACCESS}{key}"), ruling.map(|ruling| ruling.name().to_owned())).await?;
        let mut rulings = self.rulings.write().unwrap_or_else(PoisonError::into_inner);
        match ruling {
            Some(ruling) => rulings.insert(*key, ruling),
            None => rulings.remove(key),
        };
        drop(rulings);
        if let Some(hear) = self.on_block.get().filter(|_| ruling == Some(Ruling::Blocked)) {
            hear(*key);
        }
        Ok(())
    }

    /// Makes an invite that holds until `until`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn invite(
        &self,
        store: &(impl BagStore + ?Sized),
        code: &InviteCode,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        set(store, code.note(), Some(Invite::Open(until).to_text())).await
    }

    /// Forgets why a key was let in, before its account is deleted: it has to be let in anew. A block stays, and so does
    /// that the host was claimed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget(&self, store: &(impl BagStore + ?Sized), key: &PublicKey) -> Result<(), StoreError> {
        if self.ruling(key) == Some(Ruling::Allowed) {
            self.rule(store, key, None).await?;
        }
        let used = Invite::Used(*key).to_text();
        for (name, value) in store.notes(INVITES.to_owned()).await? {
            if value == used {
                set(store, name, None).await?;
            }
        }
        store.swap_note(FIRST.to_owned(), Some(key.to_string()), Some(GONE.to_owned())).await?;
        self.claim(store, GONE).await
    }
}

/// Uses up an invite; whoever used it before may come again, as after a lost answer.
async fn redeem(
    store: &(impl BagStore + ?Sized),
    now: Timestamp,
    key: &PublicKey,
    code: &InviteCode,
) -> Result<bool, StoreError> {
    let used = Invite::Used(*key);
    loop {
        match invite(store, code).await? {
            Some(Invite::Used(by)) => return Ok(by == *key),
            Some(open @ Invite::Open(until)) if now <= until => {
                // If it fails, somebody else was quicker.
                if store.swap_note(code.note(), Some(open.to_text()), Some(used.to_text())).await? {
                    return Ok(true);
                }
            }
            _ => return Ok(false),
        }
    }
}

async fn invite(store: &(impl BagStore + ?Sized), code: &InviteCode) -> Result<Option<Invite>, StoreError> {
    Ok(note(store, &code.note()).await?.and_then(|text| Invite::parse(&text)))
}

async fn note(store: &(impl BagStore + ?Sized), name: &str) -> Result<Option<String>, StoreError> {
    let notes = store.notes(name.to_owned()).await?;
    Ok(notes.into_iter().find(|(found, _)| found == name).map(|(_, value)| value))
}

async fn set(store: &(impl BagStore + ?Sized), name: String, new: Option<String>) -> Result<(), StoreError> {
    loop {
        let old = note(store, &name).await?;
        if old == new || store.swap_note(name.clone(), old, new.clone()).await? {
            return Ok(());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Invite {
    Open(Timestamp),
    Used(PublicKey),
}

impl Invite {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("until", millis) => millis.parse().ok().map(|millis| Self::Open(Timestamp::from_millis(millis))),
            ("used", key) => key.parse().ok().map(Self::Used),
            _ => None,
        }
    }

    fn to_text(self) -> String {
        match self {
            Self::Open(until) => format!("until {}", until.as_millis()),
            Self::Used(key) => format!("used {key}"),
        }
    }
}

impl Ruling {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Allowed, Self::Blocked].into_iter().find(|ruling| ruling.name() == name)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
