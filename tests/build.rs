//! Makes a program of every step of the README's tutorial: the items that the step shows, in place of those of the same
//! names in the program of the step before.

#[allow(unreachable_pub, reason = "the tests have it too")]
#[path = "src/readme.rs"]
mod readme;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use quote::ToTokens;
use readme::Step;
use syn::{Item, UseTree};

/// Items by what they are named: `enum Event`, `impl Reducer for List`.
type Program = Vec<(String, String)>;

fn main() {
    println!("cargo::rerun-if-changed=../README.md");
    let out = env::var("OUT_DIR").expect("cargo says where to write");
    let mut program = Program::new();
    let (mut modules, mut arms) = (String::new(), String::new());
    for step in readme::steps(readme::README) {
        for block in &step.code {
            merge(&mut program, &step, block);
        }
        // The file's name stands in the compiler's messages.
        let Step { number, title, .. } = &step;
        let name: String = title.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
        let file = Path::new(&out).join(format!("README_step_{number}_{name}.rs"));
        let text: Vec<&str> = program.iter().map(|(_, text)| text.as_str()).collect();
        fs::write(&file, text.join("\n")).expect("OUT_DIR can be written");
        writeln!(modules, "mod step_{number} {{ include!({file:?}); }}").expect("a text takes everything");
        writeln!(arms, "{number} => step_{number}::main(),").expect("a text takes everything");
    }
    let run = format!("fn run(step: usize) -> Result<(), Box<dyn std::error::Error>> {{ match step {{ {arms}");
    let rest = "_ => Err(format!(\"README.md has no step {step}\").into()) } }";
    fs::write(Path::new(&out).join("readme.rs"), format!("{modules}{run}{rest}")).expect("OUT_DIR can be written");
}

/// Puts the items of a block into the program.
fn merge(program: &mut Program, step: &Step, block: &str) {
    for text in items(block) {
        let file = syn::parse_file(&text).unwrap_or_else(|error| {
            panic!("step {} of README.md ({}) is not Rust: {error}, in\n\n{text}", step.number, step.title)
        });
        let names: Vec<String> = file.items.iter().map(|item| name(item, step)).collect();
        let [name] = &names[..] else {
            panic!("step {} of README.md ({}): items stand apart by empty lines\n\n{text}", step.number, step.title);
        };
        // The program calls it by its module.
        let text = if name == "fn main" { text.replacen("async fn", "pub(super) async fn", 1) } else { text };
        match program.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = text,
            None => program.push((name.clone(), text)),
        }
    }
}

/// Takes a block apart: an item begins after an empty line, at the margin; every `use` is one.
fn items(block: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut is_after_gap = true;
    for line in block.lines() {
        let begins = !line.is_empty() && !line.starts_with(' ') && (is_after_gap || line.starts_with("use "));
        is_after_gap = line.is_empty();
        match items.last_mut() {
            Some(item) if !begins => *item += &format!("{line}\n"),
            _ if line.is_empty() => {}
            _ => items.push(format!("{line}\n")),
        }
    }
    items
}

/// Names an item. A `use` takes the place of the one of the same module.
fn name(item: &Item, step: &Step) -> String {
    match item {
        Item::Use(item) => {
            let (mut name, mut tree) = ("use".to_owned(), &item.tree);
            while let UseTree::Path(path) = tree {
                name += &format!(" {}", path.ident);
                tree = &path.tree;
            }
            name
        }
        Item::Enum(item) => format!("enum {}", item.ident),
        Item::Struct(item) => format!("struct {}", item.ident),
        Item::Type(item) => format!("type {}", item.ident),
        Item::Const(item) => format!("const {}", item.ident),
        Item::Fn(item) => format!("fn {}", item.sig.ident),
        Item::Mod(item) => format!("mod {}", item.ident),
        Item::Impl(item) => {
            let of = item.trait_.as_ref().map(|(path, _)| format!("{} for ", path.to_token_stream()));
            format!("impl {}{}", of.unwrap_or_default(), item.self_ty.to_token_stream())
        }
        other => panic!(
            "step {} of README.md ({}): tests/build.rs knows no such item: {}",
            step.number,
            step.title,
            other.to_token_stream()
        ),
    }
}
