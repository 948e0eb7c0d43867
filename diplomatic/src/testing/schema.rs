//! A lock on the schema: messages written once must stay readable forever.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::{env, fs};

use serde::{Deserialize, Serialize};

use super::integers::wide_fields;
use super::model;
use crate::event::{DiplomaticEvent, Draft, EventType, Shape, Stored, Target};
use crate::fold::{event_type, read_event};
use crate::standard::{EntityId, parse_hex};

/// Checks that this build can read every message that earlier builds wrote, by means of a file of golden payloads.
///
/// `samples` contains at least one event of each variant, with fixed content. Add one for each way to fill optional
/// fields. The first run writes the file, which you should commit. Later runs check that:
///
/// - each payload in the file can be read as an event, since users have messages like it;
/// - each type name in the file is the name of a variant, or a former name (`was`);
/// - no variant has changed its shape, and no register its key, which would send the same event to another register.
///
/// New variants, samples and forms of payloads are added to the file; nothing is ever removed from it.
///
/// Each failure names the variant and a remedy. If the environment variable `CI` is set, nothing is written, and a
/// missing or outdated file is a failure, so that nobody forgets to commit it. The path is relative to the package, in
/// which `cargo test` runs.
///
/// ```no_run
/// # use diplomatic::{DiplomaticEvent, EntityId};
/// use diplomatic::testing::{check_schema, entity};
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     Added { title: String },
///     #[diplomatic(overwrites = "todo")]
///     Renamed { todo: EntityId, title: String },
///     #[diplomatic(deletes = "todo")]
///     Removed { todo: EntityId },
/// }
///
/// // In a test:
/// check_schema::<TodoEvent>("schema/todo.json", [
///     TodoEvent::Added { title: "milk".into() },
///     TodoEvent::Renamed { todo: entity(0), title: "oat milk".into() },
/// ]);
/// ```
///
/// Deletes need no sample, because they are written without a type and a payload.
///
/// Integers that can exceed 2^53 get a warning on the standard error: clients in JavaScript round them.
/// [`SchemaCheck::allow_wide_integers`] accepts them.
///
/// # Panics
///
/// Panics if a check fails, or if the file cannot be read or written.
#[track_caller]
pub fn check_schema<E: DiplomaticEvent>(path: impl AsRef<Path>, samples: impl IntoIterator<Item = E>) {
    SchemaCheck::new().run(path, samples);
}

/// Settings of [`check_schema`].
///
/// ```no_run
/// # use diplomatic::DiplomaticEvent;
/// # #[derive(DiplomaticEvent)]
/// # enum Bank { Paid { cents: i64 } }
/// use diplomatic::testing::SchemaCheck;
///
/// SchemaCheck::new().allow_wide_integers().run("schema/bank.json", [Bank::Paid { cents: 250 }]);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SchemaCheck {
    allows_wide_integers: bool,
}

impl SchemaCheck {
    /// Warns of integers that can exceed 2^53.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts integers that can exceed 2^53: they stay smaller, or no client in JavaScript reads them.
    #[must_use]
    pub const fn allow_wide_integers(self) -> Self {
        Self { allows_wide_integers: true }
    }

    /// Runs [`check_schema`] with these settings.
    ///
    /// # Panics
    ///
    /// As [`check_schema`] does.
    #[track_caller]
    pub fn run<E: DiplomaticEvent>(self, path: impl AsRef<Path>, samples: impl IntoIterator<Item = E>) {
        let is_ci = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0");
        let samples: Vec<E> = samples.into_iter().collect();
        if let Err(problem) = check(path.as_ref(), &samples, is_ci) {
            panic!("{problem}");
        }
        if !self.allows_wide_integers {
            for warning in wide_integers(&samples) {
                // Past the test harness, which shows what a test prints only when the test fails.
                let _ = writeln!(std::io::stderr(), "warning: {warning}");
            }
        }
    }
}

/// Returns a warning for each event type whose integers can exceed what other clients read.
fn wide_integers<E: DiplomaticEvent>(samples: &[E]) -> Vec<String> {
    let mut wide: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for sample in samples {
        if let Ok(Draft::Content { type_name, target, payload, .. }) = sample.to_draft() {
            let entity = match target {
                Target::Entity(entity) => entity,
                Target::Fresh | Target::Register { .. } | Target::Singleton => model::entity(0),
            };
            wide.entry(type_name).or_default().extend(wide_fields::<E>(type_name, &entity, &payload));
        }
    }
    let wide = wide.into_iter().filter(|(_, fields)| !fields.is_empty());
    wide.map(|(type_name, fields)| {
        let fields: Vec<_> = fields.iter().map(|field| if field.is_empty() { "its value" } else { field }).collect();
        format!(
            "`{type_name}` has integers that can exceed 2^53, and clients in JavaScript round those: {}. Make them `u32`, \
             `i32` or strings; or, if they stay smaller, accept them by `SchemaCheck::new().allow_wide_integers()`",
            fields.join(", ")
        )
    })
    .collect()
}

/// The file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Schema {
    /// The variants, by their names in messages.
    types: BTreeMap<String, Type>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Type {
    shape: String,
    /// The key fields, for people to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    key: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    payloads: Vec<Golden>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Golden {
    /// MessagePack in hex.
    payload: String,
    /// A register's key: MessagePack in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The ID of an entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity: Option<EntityId>,
}

/// Returns the failures. In CI, a file that would have to be written is one, too.
fn check<E: DiplomaticEvent>(path: &Path, samples: &[E], is_ci: bool) -> Result<(), String> {
    let current = of_samples(samples)?;
    let file = path.display();
    let locked = match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| format!("{file} is not a schema ({error}): take it back from version control"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Schema::default(),
        Err(error) => return Err(format!("{file} cannot be read: {error}")),
    };
    let problems = compare::<E>(&locked);
    if !problems.is_empty() {
        let list = problems.join("\n- ");
        return Err(format!("what was written by earlier builds (see {file}) is not safe:\n\n- {list}"));
    }
    let (merged, new) = merge(locked, current);
    let text = serde_json::to_string_pretty(&merged).map_err(|error| error.to_string())? + "\n";
    match new.as_slice() {
        [] => Ok(()),
        new if is_ci => {
            Err(format!("{file} lacks {}: run this test where `CI` is not set, and commit the file", new.join(", ")))
        }
        _ => write_file(path, &text).map_err(|error| format!("{file} cannot be written: {error}")),
    }
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn of_samples<E: DiplomaticEvent>(samples: &[E]) -> Result<Schema, String> {
    let mut schema = Schema::default();
    for known in E::TYPES {
        let key = known.key.iter().map(|field| (*field).to_owned()).collect();
        let new = Type { shape: shape_name(known).to_owned(), key, payloads: Vec::new() };
        schema.types.insert(known.name.to_owned(), new);
    }
    for sample in samples {
        let Draft::Content { type_name, target, payload, .. } = sample.to_draft().map_err(|error| error.to_string())?
        else {
            continue;
        };
        let (key, entity) = match target {
            Target::Register { key } => (Some(hex(&key)), None),
            Target::Entity(entity) => (None, Some(entity)),
            Target::Fresh | Target::Singleton => (None, None),
        };
        let golden = Golden { payload: hex(&payload), key, entity };
        if let Some(known) = schema.types.get_mut(type_name)
            && !known.payloads.contains(&golden)
        {
            known.payloads.push(golden);
        }
    }
    let missing = E::TYPES.iter().filter(|known| known.shape != Shape::Delete);
    let missing: Vec<_> = missing.filter(|known| schema.types[known.name].payloads.is_empty()).collect();
    if missing.is_empty() {
        return Ok(schema);
    }
    let names: Vec<_> = missing.iter().map(|known| format!("`{}`", known.name)).collect();
    Err(format!("no sample of {}: add an event of each variant to the samples", names.join(", ")))
}

fn compare<E: DiplomaticEvent>(locked: &Schema) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, old) in &locked.types {
        if old.shape == "delete" {
            if !E::TYPES.iter().any(|known| known.shape == Shape::Delete) {
                problems.push(format!(
                    "`{name}` is gone, and no other variant has `deletes`, so that deletes would not be applied any \
                     more: bring a variant with `deletes` back"
                ));
            }
            continue;
        }
        let Some(known) = event_type::<E>(name) else {
            problems.push(format!(
                "`{name}` is gone, so that its messages would not be applied any more: put `was = \"{name}\"` on the \
                 variant that it has become, or bring it back"
            ));
            continue;
        };
        let shape = shape_name(known);
        if known.name == name && old.shape != shape {
            problems.push(format!(
                "`{name}` was of the shape {} and is of the shape {shape}, so that old and new messages would not meet: give the variant a \
                 new name by `type = \"...\"`, and add `was = \"{name}\"`",
                old.shape
            ));
            continue;
        }
        problems.extend(old.payloads.iter().filter_map(|golden| unsafe_now::<E>(name, known, old, golden)));
    }
    problems.dedup();
    problems
}

/// Returns the failures of an old payload.
fn unsafe_now<E: DiplomaticEvent>(name: &str, known: &EventType, old: &Type, golden: &Golden) -> Option<String> {
    let Some(payload) = parse_hex(&golden.payload) else {
        return Some(format!("a payload of `{name}` is not hex digits: take the file back from version control"));
    };
    let entity = match &golden.entity {
        Some(entity) => entity.clone(),
        None => model::entity(0),
    };
    let event: E = match read_event(Stored::Content { type_name: name, entity: &entity, payload: &payload }) {
        Ok(event) => event,
        Err(error) => {
            return Some(format!(
                "`{name}`: {error}; the payload is {}. Give a new field `#[serde(default)]`, and a renamed one \
                 `#[serde(alias = \"old\")]`; for another form, give the variant a new name by `type = \"...\"` and add \
                 `was(\"{name}\", upcast = \"function\")`",
                golden.payload
            ));
        }
    };
    match event.to_draft() {
        Ok(Draft::Content { target: Target::Register { key }, .. })
            if known.name == name && golden.key.as_ref() != Some(&hex(&key)) =>
        {
            Some(format!(
                "`{name}` has another key for an event than it had: `overwrites` was ({}) and is ({}), and a new value \
                 would stand beside the old one. Leave `overwrites` and the form of its fields as they were, or give \
                 the variant a new name by `type = \"...\"` and add `was = \"{name}\"`",
                old.key.join(", "),
                known.key.join(", ")
            ))
        }
        Ok(_) => None,
        Err(error) => Some(format!("`{name}` reads, but is not written again: {error}")),
    }
}

/// Adds what is new and returns its names.
fn merge(mut locked: Schema, current: Schema) -> (Schema, Vec<String>) {
    let mut new = BTreeSet::new();
    for (name, current) in current.types {
        match locked.types.get_mut(&name) {
            None => {
                new.insert(format!("`{name}`"));
                locked.types.insert(name, current);
            }
            Some(old) => {
                for golden in current.payloads {
                    if !old.payloads.contains(&golden) {
                        new.insert(format!("a payload of `{name}`"));
                        old.payloads.push(golden);
                    }
                }
                if old.key != current.key {
                    new.insert(format!("the key of `{name}`"));
                    old.key = current.key;
                }
            }
        }
    }
    (locked, new.into_iter().collect())
}

const fn shape_name(known: &EventType) -> &'static str {
    match known.shape {
        Shape::Fact => "fact",
        Shape::Register => "register",
        Shape::Entity => "entity",
        Shape::Delete => "delete",
        Shape::Singleton => "singleton",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder for the file");
        let path = folder.path().join("schema").join("todo.json");
        (folder, path)
    }

    mod first {
        use super::*;

        #[derive(crate::DiplomaticEvent)]
        #[diplomatic(crate = "crate", prefix = "todo")]
        pub(super) enum Event {
            Added {
                title: String,
            },
            #[diplomatic(overwrites = "todo")]
            Renamed {
                todo: EntityId,
                title: String,
            },
            #[diplomatic(entity = "note")]
            Noted {
                note: EntityId,
                text: String,
            },
            #[diplomatic(deletes = "todo")]
            Removed {
                todo: EntityId,
            },
            #[diplomatic(singleton)]
            Status(String),
        }

        pub(super) fn samples() -> Vec<Event> {
            let (todo, title) = (model::entity(0), String::from("milk"));
            let _ = Event::Removed { todo: todo.clone() };
            vec![
                Event::Added { title: title.clone() },
                Event::Renamed { todo: todo.clone(), title: title.clone() },
                Event::Noted { note: todo, text: title.clone() },
                Event::Status(title),
            ]
        }
    }

    /// Every possible mistake.
    mod broken {
        use super::*;

        #[derive(crate::DiplomaticEvent)]
        #[diplomatic(crate = "crate", prefix = "todo")]
        pub(super) enum Event {
            Added {
                title: String,
                tag: String,
            },
            #[diplomatic(overwrites("todo", "title"))]
            Renamed {
                todo: EntityId,
                title: String,
            },
            Noted {
                text: String,
            },
            #[diplomatic(singleton)]
            State(String),
        }

        pub(super) fn samples() -> Vec<Event> {
            let title = String::from("milk");
            vec![
                Event::Added { title: title.clone(), tag: title.clone() },
                Event::Renamed { todo: model::entity(0), title: title.clone() },
                Event::Noted { text: title.clone() },
                Event::State(title),
            ]
        }
    }

    /// The same changes, made correctly.
    mod second {
        use super::*;

        #[derive(crate::DiplomaticEvent)]
        #[diplomatic(crate = "crate", prefix = "todo")]
        pub(super) enum Event {
            Added {
                title: String,
                #[serde(default)]
                tag: String,
            },
            #[diplomatic(overwrites("task", "title"), was = "todo.renamed")]
            Retitled {
                #[serde(alias = "todo")]
                task: EntityId,
                title: String,
            },
            #[diplomatic(type = "todo.jotted", was("todo.noted", upcast = "from_noted"))]
            Noted { lines: Vec<String> },
            #[diplomatic(deletes = "task")]
            Removed { task: EntityId },
            #[diplomatic(singleton, was = "todo.status")]
            State(String),
        }

        #[derive(Deserialize)]
        pub(super) struct Noted {
            text: String,
        }

        fn from_noted(old: Noted) -> Event {
            Event::Noted { lines: vec![old.text] }
        }

        pub(super) fn samples() -> Vec<Event> {
            let (task, title) = (model::entity(0), String::from("milk"));
            let _ = Event::Removed { task: task.clone() };
            vec![
                Event::Added { title: title.clone(), tag: title.clone() },
                Event::Retitled { task, title: title.clone() },
                Event::Noted { lines: vec![title.clone()] },
                Event::State(title),
            ]
        }
    }

    #[test]
    fn the_file_is_written_once_and_then_compared() {
        let (_folder, path) = file();
        check(&path, &first::samples(), false).expect("the file is new");
        let written = fs::read_to_string(&path).expect("the file is there");
        assert!(written.contains("\"todo.renamed\"") && written.contains("\"shape\": \"register\""), "{written}");
        check(&path, &first::samples(), true).expect("nothing changed");
        assert_eq!(fs::read_to_string(&path).expect("the file is there"), written);
    }

    #[test]
    fn integers_that_other_clients_round_are_warned_of() {
        #[derive(crate::DiplomaticEvent)]
        #[diplomatic(crate = "crate")]
        enum Bank {
            Paid { cents: i64 },
            Counted(u64),
            Opened { branch: u32 },
        }
        let samples = [Bank::Paid { cents: 250 }, Bank::Counted(1), Bank::Opened { branch: 7 }];
        let warnings = wide_integers(&samples);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("`counted` has integers") && warnings[0].contains(": its value."));
        assert!(warnings[1].starts_with("`paid` has integers") && warnings[1].contains(": cents."));
        assert!(wide_integers(&first::samples()).is_empty());
    }

    #[test]
    fn nothing_is_written_in_a_ci() {
        let (_folder, path) = file();
        let problem = check(&path, &first::samples(), true).expect_err("the file is missing");
        assert!(problem.contains("commit the file"), "{problem}");
        assert!(!path.exists());
    }

    #[test]
    fn changes_that_leave_old_messages_unread_are_named_with_their_mend() {
        let (_folder, path) = file();
        check(&path, &first::samples(), false).expect("the file is new");
        let problem = check(&path, &broken::samples(), false).expect_err("nothing of it is safe");
        for part in [
            "- `todo.added`: the payload does not match `todo.added`: missing field `tag`",
            "#[serde(default)]",
            "`todo.noted` was of the shape entity and is of the shape fact",
            "- `todo.removed` is gone, and no other variant has `deletes`",
            "`todo.renamed` has another key for an event than it had: `overwrites` was (todo) and is (todo, title)",
            "- `todo.status` is gone",
            "put `was = \"todo.status\"` on the variant",
        ] {
            assert!(problem.contains(part), "{part}\n\n{problem}");
        }
        assert_eq!(problem.matches("\n- ").count(), 5, "{problem}");
    }

    #[test]
    fn changes_that_are_made_well_pass_and_are_added() {
        let (_folder, path) = file();
        check(&path, &first::samples(), false).expect("the file is new");
        let problem = check(&path, &second::samples(), true).expect_err("the file lacks what is new");
        assert!(problem.contains("a payload of `todo.added`, the key of") || problem.contains("`todo.jotted`"));
        check(&path, &second::samples(), false).expect("all of it is safe");
        check(&path, &second::samples(), true).expect("and the file knows it");
        let written = fs::read_to_string(&path).expect("the file is there");
        for name in ["todo.added", "todo.jotted", "todo.noted", "todo.renamed", "todo.retitled", "todo.status"] {
            assert!(written.contains(&format!("\"{name}\"")), "{written}");
        }
        // Back on the first build, which cannot read what only the second one wrote.
        let problem = check(&path, &first::samples(), false).expect_err("this build is older than the file");
        assert!(problem.contains("`todo.jotted` is gone"), "{problem}");
    }

    #[test]
    fn bytes_that_were_written_as_numbers_stay_readable_under_the_same_key() {
        mod numbers {
            /// Not known as bytes.
            type Numbers = Vec<u8>;

            #[derive(crate::DiplomaticEvent)]
            #[diplomatic(crate = "crate", prefix = "app")]
            pub(super) enum Event {
                #[diplomatic(overwrites = "key")]
                Drawn { key: Numbers, picture: Numbers },
            }
        }

        mod bytes {
            #[derive(crate::DiplomaticEvent)]
            #[diplomatic(crate = "crate", prefix = "app")]
            pub(super) enum Event {
                #[diplomatic(overwrites = "key")]
                Drawn { key: Vec<u8>, picture: Vec<u8> },
            }
        }

        let (_folder, path) = file();
        let (key, picture) = (vec![1, 200], vec![0, 255]);
        let old = numbers::Event::Drawn { key: key.clone(), picture: picture.clone() };
        assert_eq!(check(&path, &[old], false), Ok(()));
        let new = bytes::Event::Drawn { key, picture };
        assert_eq!(check(&path, &[new], false), Ok(()));
        let text = fs::read_to_string(&path).expect("it was written");
        let schema: Schema = serde_json::from_str(&text).expect("it is a schema");
        let [numbers, bytes] = schema.types["app.drawn"].payloads.as_slice() else {
            panic!("both forms are there: {text}")
        };
        assert_eq!(numbers.key, bytes.key);
        assert_ne!(numbers.payload, bytes.payload);
    }

    #[test]
    fn variants_without_a_sample_are_named() {
        let (_folder, path) = file();
        let samples = first::samples().into_iter().skip(2);
        let problem = check(&path, &samples.collect::<Vec<_>>(), false).expect_err("two are missing");
        assert!(problem.contains("no sample of `todo.added`, `todo.renamed`:"), "{problem}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_left_alone() {
        let (_folder, path) = file();
        write_file(&path, "dear diary").expect("a file can be written");
        assert!(check(&path, &first::samples(), false).expect_err("no schema").contains("not a schema"));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "dear diary");
    }
}
