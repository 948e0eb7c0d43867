//! Who imports whom: the code against the tables of ARCHITECTURE.md.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/tables.rs"]
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use imports::Crate;
use tables::{foreign, layers};

fn library() -> Crate {
    Crate::read("diplomatic")
}

fn host() -> Crate {
    Crate::read("diplomatic-host")
}

/// Compares the imports between a crate's modules with its table.
fn check_layers(source: &Crate, title: &str) {
    let allowed = layers(title);
    let modules: BTreeSet<&str> = source.modules().collect();
    let listed: BTreeSet<&str> = allowed.keys().map(String::as_str).collect();
    assert_eq!(modules, listed, "the rows of \"{title}\" in ARCHITECTURE.md (right) are not the modules (left)");

    let mut imports = BTreeSet::new();
    let mut forbidden = Vec::new();
    for import in source.imports() {
        let (Some(from), Some(to)) = (source.module(&import.from), source.module(&import.to)) else { continue };
        if from != to && !allowed[from].contains(to) {
            forbidden.push(format!("{} imports {}", import.from.join("::"), import.to.join("::")));
        }
        imports.insert((from.to_owned(), to.to_owned()));
    }
    assert!(forbidden.is_empty(), "\"{title}\" in ARCHITECTURE.md does not allow this:\n{}", forbidden.join("\n"));

    let unused = allowed.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let unused: Vec<String> = unused
        .filter(|(from, to)| !imports.contains(&((*from).clone(), (*to).clone())))
        .map(|(from, to)| format!("{from} imports {to}"))
        .collect();
    assert!(unused.is_empty(), "\"{title}\" in ARCHITECTURE.md allows what no code does:\n{}", unused.join("\n"));
}

#[test]
fn the_librarys_modules_import_what_their_layer_allows() {
    check_layers(&library(), "Modules of the library");
}

#[test]
fn the_hosts_modules_import_what_their_layer_allows() {
    check_layers(&host(), "Modules of the host");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    let programs = [Crate::read("diplomatic/dip"), Crate::read_at("diplomatic-host/examples/load")];
    for source in [library(), host(), Crate::read("diplomatic-derive")].into_iter().chain(programs) {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        // The parts of a module may use what the module's own file defines.
        for import in
            source.imports().iter().filter(|import| !import.is_reexport && !import.from.starts_with(&import.to))
        {
            edges.entry(source.file(&import.from)).or_default().insert(source.file(&import.to));
        }
        circles.extend(source.paths().filter_map(|path| circle(&edges, path)));
    }
    assert!(circles.is_empty(), "these files import each other in a circle:\n{}", circles.join("\n"));
}

/// Finds a shortest way from a file back to itself.
fn circle<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> Option<String> {
    let next = |file: &'a str| edges.get(file).into_iter().flatten().copied();
    let mut ways: Vec<Vec<&'a str>> = next(start).map(|file| vec![file]).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = *way.last().unwrap();
            if last == start {
                return Some(format!("{start} -> {}", way.join(" -> ")));
            }
            if seen.insert(last) {
                longer.extend(next(last).map(|file| [&way[..], &[file]].concat()));
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn foreign_crates_are_named_in_one_place() {
    let sources = BTreeMap::from([("diplomatic", library()), ("diplomatic-host", host())]);
    let mut strays = Vec::new();
    for row in foreign() {
        let source = &sources[row.package.as_str()];
        let places = source.namers(&row.name);
        assert!(!places.is_empty(), "no file of {} names {}: take the row out", row.package, row.name);
        let is_elsewhere = |place: &&Vec<String>| !place.starts_with(&row.module);
        strays.extend(places.iter().filter(is_elsewhere).map(|place| {
            format!(
                "{} is named in {} of {}, not only in {}",
                row.name,
                place.join("::"),
                row.package,
                row.module.join("::")
            )
        }));
    }
    assert!(strays.is_empty(), "ARCHITECTURE.md says otherwise:\n{}", strays.join("\n"));
}
