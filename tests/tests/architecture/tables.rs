//! The tables of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

/// A crate of others that has one place.
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) module: Vec<String>,
}

/// Returns for each module of the table under a heading which modules it may import.
pub(crate) fn layers(title: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows =
        rows(title).into_iter().map(|[module, _, allowed]| (only(&module), names(&allowed).into_iter().collect()));
    rows.collect()
}

/// Returns the crates that are named in one place.
pub(crate) fn foreign() -> Vec<Foreign> {
    let rows = rows("Foreign crates").into_iter().map(|[name, package, module]| Foreign {
        name: only(&name),
        package: only(&package),
        module: only(&module).split("::").map(str::to_owned).collect(),
    });
    rows.collect()
}

/// Returns the cells of the first table under a heading, without its head.
fn rows(title: &str) -> Vec<[String; 3]> {
    let heading = format!("## {title}\n");
    let section = ARCHITECTURE.split_once(&heading).unwrap_or_else(|| panic!("ARCHITECTURE.md has no {title:?}")).1;
    let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows: Vec<[String; 3]> = table
        .skip(2)
        .map(|line| {
            let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            cells.try_into().unwrap_or_else(|_| panic!("a row of {title:?} has three cells: {line}"))
        })
        .collect();
    assert!(!rows.is_empty(), "{title:?} of ARCHITECTURE.md has no table");
    rows
}

/// Returns the names in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn only(cell: &str) -> String {
    let [name] = <[String; 1]>::try_from(names(cell)).unwrap_or_else(|_| panic!("one name in backticks: {cell}"));
    name
}
