//! What the files of a crate import from one another, found in their tokens.
//!
//! Test code does not count. A path to a re-exported name leads to the file that defines it. Re-exports (`pub use`) are
//! marked, because a file that only hands a name on does not depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The place of a module in its crate: `["client", "http"]`; empty for the crate root.
pub(crate) type Place = Vec<String>;

/// The source of a crate.
pub(crate) struct Crate {
    /// The file of each module.
    files: BTreeMap<Place, String>,
    /// Every path in the code.
    paths: Vec<Mention>,
}

/// A module that names something of another one.
pub(crate) struct Import {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) is_reexport: bool,
}

/// A path, as it is written in a module.
struct Mention {
    place: Place,
    segments: Vec<String>,
    /// The name under which it is handed on.
    reexported: Option<String>,
}

impl Crate {
    /// Reads the source of the package in a folder of the workspace.
    pub(crate) fn read(folder: &str) -> Self {
        Self::read_at(&format!("{folder}/src"))
    }

    /// Reads the folder with the file of a crate's root.
    pub(crate) fn read_at(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let mut source = Self { files: BTreeMap::new(), paths: Vec::new() };
        for entry in ["lib.rs", "main.rs"].map(|name| root.join(name)) {
            if entry.exists() {
                source.read_file(&root, &entry, Vec::new());
            }
        }
        assert!(source.files.len() > 3, "{} has no source", root.display());
        source
    }

    /// Returns the modules of the first level.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &str> {
        self.files.keys().filter(|place| place.len() == 1).filter_map(|place| self.module(place))
    }

    /// Returns the module of the first level to which a place belongs; `None` for the file of the crate root.
    pub(crate) fn module<'a>(&self, place: &'a Place) -> Option<&'a str> {
        let module = place.first()?;
        let is_inline = self.files.get(std::slice::from_ref(module)) == self.files.get(&Place::new());
        (!is_inline).then_some(module.as_str())
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }

    pub(crate) fn file(&self, place: &Place) -> &str {
        &self.files[place]
    }

    /// Returns what modules import from one another.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let imports = self.paths.iter().filter_map(|path| {
            let to = self.resolve(&path.place, &path.segments, 0)?;
            Some(Import { from: path.place.clone(), to, is_reexport: path.reexported.is_some() })
        });
        imports.filter(|import| self.file(&import.from) != self.file(&import.to)).collect()
    }

    /// Returns the modules that name a crate of others.
    pub(crate) fn namers(&self, name: &str) -> BTreeSet<Place> {
        let mentions = self.paths.iter().filter(|path| path.segments[0] == name);
        mentions.map(|path| path.place.clone()).filter(|place| !place.is_empty()).collect()
    }

    /// Finds the module that defines what a path names, as far as it is one of this crate.
    fn resolve(&self, place: &Place, segments: &[String], depth: usize) -> Option<Place> {
        let (first, mut rest) = segments.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Vec::new(),
            "self" => place.clone(),
            "super" => place[..place.len().checked_sub(1)?].to_vec(),
            child => {
                let inner = [&place[..], &[child.to_owned()]].concat();
                if !self.files.contains_key(&inner) {
                    return None;
                }
                inner
            }
        };
        while let Some((next, after)) = rest.split_first() {
            let inner = [&at[..], std::slice::from_ref(next)].concat();
            if next == "super" {
                at.pop()?;
            } else if self.files.contains_key(&inner) {
                at = inner;
            } else {
                break;
            }
            rest = after;
        }
        let Some(name) = rest.first().filter(|_| depth < 8) else { return Some(at) };
        let handed_on = |path: &&Mention| path.place == at && path.reexported.as_ref() == Some(name);
        let origin = self.paths.iter().find(handed_on).and_then(|path| self.resolve(&at, &path.segments, depth + 1));
        Some(origin.unwrap_or(at))
    }

    fn read_file(&mut self, root: &Path, path: &Path, place: Place) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root.parent().unwrap().parent().unwrap()).unwrap();
        // A program beside a library shares its root.
        self.files.entry(place.clone()).or_insert_with(|| name.display().to_string());
        self.read_tokens(root, &place, tokens);
    }

    fn read_tokens(&mut self, root: &Path, place: &Place, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut is_public = false;
        while at < tokens.len() {
            let after_colon = at > 0 && is_punct(&tokens[at - 1], ':');
            match &tokens[at] {
                TokenTree::Punct(mark) if mark.as_char() == '#' && is_for_tests(tokens.get(at + 1)) => {
                    at += 2;
                    while at < tokens.len() && !ends_item(&tokens[at]) {
                        at += 1;
                    }
                }
                TokenTree::Ident(word) if word == "pub" => {
                    is_public = true;
                    if matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
                    {
                        at += 1;
                    }
                    at += 1;
                    continue;
                }
                TokenTree::Ident(word) if word == "use" => {
                    let end = (at..tokens.len()).find(|end| is_punct(&tokens[*end], ';')).unwrap_or(tokens.len());
                    for (segments, name) in leaves(&tokens[at + 1..end], &[]) {
                        let reexported = is_public.then_some(name);
                        self.paths.push(Mention { place: place.clone(), segments, reexported });
                    }
                    at = end;
                }
                TokenTree::Ident(word) if word == "mod" => match (tokens.get(at + 1), tokens.get(at + 2)) {
                    (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                        let inner = [&place[..], &[name.to_string()]].concat();
                        self.files.insert(inner.clone(), self.files[place].clone());
                        self.read_tokens(root, &inner, body.stream());
                        at += 2;
                    }
                    (Some(TokenTree::Ident(name)), _) => {
                        let inner = [&place[..], &[name.to_string()]].concat();
                        self.read_file(root, &file_of(root, &inner), inner);
                        at += 2;
                    }
                    _ => {}
                },
                TokenTree::Ident(_) if !after_colon => {
                    let segments = path_at(&tokens, at);
                    at += 3 * (segments.len() - 1);
                    if segments.len() > 1 {
                        self.paths.push(Mention { place: place.clone(), segments, reexported: None });
                    }
                }
                TokenTree::Group(group) => self.read_tokens(root, place, group.stream()),
                _ => {}
            }
            is_public = false;
            at += 1;
        }
    }
}

fn file_of(root: &Path, place: &[String]) -> PathBuf {
    let stem = place.iter().fold(root.to_owned(), |path, name| path.join(name));
    let file = stem.with_extension("rs");
    if file.exists() { file } else { stem.join("mod.rs") }
}

fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Tells whether an attribute is `cfg(test)` or `cfg(all(test, ..))`.
fn is_for_tests(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(attribute)) = attribute else { return false };
    let text: String = attribute.to_string().split_whitespace().collect();
    text.starts_with("[cfg(test)") || text.starts_with("[cfg(all(test,")
}

fn ends_item(token: &TokenTree) -> bool {
    is_punct(token, ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Reads a path: names that are joined by `::`.
fn path_at(tokens: &[TokenTree], mut at: usize) -> Vec<String> {
    let mut segments = Vec::new();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        segments.push(name.to_string());
        let is_joined = tokens.len() > at + 2 && is_punct(&tokens[at + 1], ':') && is_punct(&tokens[at + 2], ':');
        if !is_joined || !matches!(tokens.get(at + 3), Some(TokenTree::Ident(_))) {
            break;
        }
        at += 3;
    }
    segments
}

/// Takes a `use` apart: each path, and the name it gets.
fn leaves(tree: &[TokenTree], prefix: &[String]) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    for tree in tree.split(|token| is_punct(token, ',')) {
        let mut segments = prefix.to_vec();
        let mut name = None;
        let mut is_group = false;
        for (at, token) in tree.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tree.get(at + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) => segments.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    found.extend(leaves(&inner, &segments));
                    is_group = true;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if !is_group && segments.len() > prefix.len() {
            // `use a::b::{self}` names `b`.
            if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
                segments.pop();
            }
            let name = name.or_else(|| segments.last().cloned()).unwrap_or_default();
            found.push((segments, name));
        }
    }
    found
}
