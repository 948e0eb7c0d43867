//! Attributes: `#[diplomatic(...)]`, and what of `#[serde(...)]` concerns the payload.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Error, LitStr, Meta, Path};

/// What is wrong with the enum; each is reported at its own place.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<Error>);

impl Mistakes {
    /// Notes what is wrong, and the mend.
    pub(crate) fn add(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(Error::new(span, message));
    }

    /// Notes what is wrong with the whole of some tokens, and the mend.
    pub(crate) fn add_spanned(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(Error::new_spanned(tokens, message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0.iter().map(Error::to_compile_error).collect()
    }
}

/// The attributes of the enum.
#[derive(Default)]
pub(crate) struct EnumAttrs {
    pub(crate) prefix: Option<LitStr>,
    pub(crate) krate: Option<Path>,
}

const ON_ENUM: [&str; 2] = ["prefix", "crate"];

impl EnumAttrs {
    pub(crate) fn parse(attrs: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut parsed = Self::default();
        let mut seen = Vec::new();
        for item in diplomatic_items(attrs, mistakes) {
            if is_repeated(&item, &mut seen, mistakes) {
                continue;
            }
            match item.name.unraw().to_string().as_str() {
                "prefix" => parsed.prefix = item.text("todo", mistakes),
                "crate" => parsed.krate = item.text("path::to::diplomatic", mistakes).and_then(|path| {
                    path.parse_with(Path::parse_mod_style)
                        .map_err(|_| {
                            mistakes.add(
                                path.span(),
                                "not a path: `crate` says where the `diplomatic` crate is found, such as `::diplomatic`",
                            );
                        })
                        .ok()
                }),
                name if ON_VARIANT.contains(&name) => mistakes.add(
                    item.name.span(),
                    format_args!("`{name}` belongs on a variant, not on the enum: move it there"),
                ),
                name => mistakes.add(
                    item.name.span(),
                    format_args!("unknown attribute `{name}`: an event enum takes {}", list(&ON_ENUM)),
                ),
            }
        }
        parsed
    }
}

/// The attributes of a variant.
#[derive(Default)]
pub(crate) struct VariantAttrs {
    pub(crate) type_name: Option<LitStr>,
    /// More than one is a mistake, which is for the rules to report.
    pub(crate) shapes: Vec<ShapeAttr>,
    pub(crate) gid: Option<FieldAttr>,
    pub(crate) pid: Option<FieldAttr>,
    pub(crate) was: Vec<WasAttr>,
}

/// An attribute that tells what event types a variant was.
pub(crate) struct WasAttr {
    pub(crate) name: Ident,
    pub(crate) types: Vec<LitStr>,
    /// The function that makes the event of their payload.
    pub(crate) upcast: Option<Path>,
}

/// An attribute that gives a variant its shape.
pub(crate) struct ShapeAttr {
    pub(crate) name: Ident,
    pub(crate) kind: ShapeKind,
}

/// The shapes that an attribute gives, with the fields that they name.
pub(crate) enum ShapeKind {
    Register(Vec<LitStr>),
    Entity(LitStr),
    Delete(LitStr),
    Singleton,
    Flatten,
    /// The attribute says which shape, but not in the right form: that is reported already.
    Unclear,
}

/// An attribute that names a field.
pub(crate) struct FieldAttr {
    pub(crate) name: Ident,
    pub(crate) field: LitStr,
}

const ON_VARIANT: [&str; 9] = ["type", "was", "overwrites", "entity", "deletes", "singleton", "flatten", "gid", "pid"];

impl VariantAttrs {
    pub(crate) fn parse(attrs: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut parsed = Self::default();
        let mut seen = Vec::new();
        for item in diplomatic_items(attrs, mistakes) {
            if item.name == "was" {
                parsed.was.extend(item.was(mistakes));
                continue;
            }
            if is_repeated(&item, &mut seen, mistakes) {
                continue;
            }
            let kind = match item.name.unraw().to_string().as_str() {
                "type" => {
                    parsed.type_name = item.text("todo.renamed", mistakes);
                    continue;
                }
                "gid" => {
                    parsed.gid = item.text("field", mistakes).map(|field| FieldAttr { name: item.name, field });
                    continue;
                }
                "pid" => {
                    parsed.pid = item.text("field", mistakes).map(|field| FieldAttr { name: item.name, field });
                    continue;
                }
                "overwrites" => item.texts(mistakes).map(ShapeKind::Register),
                "entity" => item.text("field", mistakes).map(ShapeKind::Entity),
                "deletes" => item.text("field", mistakes).map(ShapeKind::Delete),
                "singleton" => item.flag(mistakes).map(|()| ShapeKind::Singleton),
                "flatten" => item.flag(mistakes).map(|()| ShapeKind::Flatten),
                "upcast" => {
                    mistakes.add_spanned(
                        &item,
                        "`upcast` stands beside the name of the old type: write \
                         `was(\"todo.created\", upcast = \"from_created\")`",
                    );
                    continue;
                }
                name if ON_ENUM.contains(&name) => {
                    mistakes.add(
                        item.name.span(),
                        format_args!("`{name}` belongs on the enum, not on a variant: move it there"),
                    );
                    continue;
                }
                name => {
                    mistakes.add(
                        item.name.span(),
                        format_args!("unknown attribute `{name}`: a variant takes {}", list(&ON_VARIANT)),
                    );
                    continue;
                }
            };
            parsed.shapes.push(ShapeAttr { name: item.name, kind: kind.unwrap_or(ShapeKind::Unclear) });
        }
        parsed
    }
}

/// Reports `#[diplomatic(...)]` on a field, where nothing is known.
pub(crate) fn refuse_on_field(attrs: &[Attribute], mistakes: &mut Mistakes) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("diplomatic")) {
        mistakes.add_spanned(
            attr,
            "no `diplomatic` attribute stands on a field: put it on the variant, and name the field there",
        );
    }
}

/// The items in the `#[diplomatic(...)]` attributes among `attrs`.
fn diplomatic_items(attrs: &[Attribute], mistakes: &mut Mistakes) -> Vec<Item> {
    let mut items = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("diplomatic")) {
        let Meta::List(list) = &attr.meta else {
            mistakes.add_spanned(attr, "nothing is said here: the form is `#[diplomatic(...)]`");
            continue;
        };
        for tokens in split_at_commas(&list.tokens) {
            items.extend(Item::from_tokens(tokens, mistakes));
        }
    }
    items
}

/// One of the comma-separated items in `#[diplomatic(...)]`.
struct Item {
    name: Ident,
    value: Value,
}

enum Value {
    /// `name`
    Nothing,
    /// `name = tokens`
    Assigned(TokenStream),
    /// `name(tokens)`
    Listed(Group),
}

impl Item {
    fn from_tokens(tokens: Vec<TokenTree>, mistakes: &mut Mistakes) -> Option<Self> {
        let mut rest = tokens.iter();
        let name = match rest.next() {
            Some(TokenTree::Ident(name)) => name.clone(),
            Some(TokenTree::Literal(literal)) => {
                mistakes.add(
                    literal.span(),
                    "this belongs to no attribute: several fields are listed as `overwrites(\"field\", \"other\")`",
                );
                return None;
            }
            Some(other) => {
                mistakes.add(other.span(), "an attribute begins with its name, such as `overwrites = \"field\"`");
                return None;
            }
            None => return None,
        };
        let value = match (rest.next(), rest.as_slice()) {
            (None, _) => Value::Nothing,
            (Some(TokenTree::Punct(punct)), value) if punct.as_char() == '=' && !value.is_empty() => {
                Value::Assigned(value.iter().cloned().collect())
            }
            (Some(TokenTree::Group(group)), []) if group.delimiter() == Delimiter::Parenthesis => {
                Value::Listed(group.clone())
            }
            (Some(other), _) => {
                mistakes
                    .add(other.span(), format_args!("not understood after `{name}`: the form is `{name} = \"...\"`"));
                return None;
            }
        };
        Some(Self { name, value })
    }

    /// The string literal after `=`.
    fn text(&self, example: &str, mistakes: &mut Mistakes) -> Option<LitStr> {
        let text = match &self.value {
            Value::Assigned(tokens) => syn::parse2(tokens.clone()).ok(),
            Value::Nothing | Value::Listed(_) => None,
        };
        if text.is_none() {
            let name = &self.name;
            mistakes
                .add_spanned(self, format_args!("`{name}` takes one string literal: write `{name} = \"{example}\"`"));
        }
        text
    }

    /// The string literal after `=`, or those in parentheses.
    fn texts(&self, mistakes: &mut Mistakes) -> Option<Vec<LitStr>> {
        let texts = match &self.value {
            Value::Nothing => None,
            Value::Assigned(tokens) => syn::parse2(tokens.clone()).ok().map(|text| vec![text]),
            Value::Listed(group) => split_at_commas(&group.stream())
                .into_iter()
                .map(|tokens| syn::parse2(tokens.into_iter().collect()).ok())
                .collect::<Option<Vec<_>>>()
                .filter(|texts| !texts.is_empty()),
        };
        if texts.is_none() {
            let name = &self.name;
            mistakes.add_spanned(
                self,
                format_args!(
                    "`{name}` takes fields as string literals: write `{name} = \"field\"` or `{name}(\"field\", \"other\")`"
                ),
            );
        }
        texts
    }

    /// The names of old types after `=` or in parentheses, and there perhaps an `upcast`.
    fn was(&self, mistakes: &mut Mistakes) -> Option<WasAttr> {
        let mut was = WasAttr { name: self.name.clone(), types: Vec::new(), upcast: None };
        let parts = match &self.value {
            Value::Nothing => Vec::new(),
            Value::Assigned(tokens) => vec![tokens.clone().into_iter().collect()],
            Value::Listed(group) => split_at_commas(&group.stream()),
        };
        let mut understood = true;
        for tokens in parts {
            if let Ok(name) = syn::parse2::<LitStr>(tokens.iter().cloned().collect()) {
                was.types.push(name);
            } else if let [TokenTree::Ident(name), TokenTree::Punct(punct), path @ ..] = tokens.as_slice()
                && (name == "upcast" && punct.as_char() == '=' && was.upcast.is_none())
            {
                let path: TokenStream = path.iter().cloned().collect();
                was.upcast =
                    syn::parse2::<LitStr>(path.clone()).and_then(|text| text.parse_with(Path::parse_mod_style)).ok();
                if was.upcast.is_none() {
                    mistakes
                        .add_spanned(path, "`upcast` takes the path of a function: write `upcast = \"from_created\"`");
                    return None;
                }
            } else {
                understood = false;
            }
        }
        if !understood || was.types.is_empty() {
            mistakes.add_spanned(
                self,
                "`was` takes the names of old types as string literals: write `was = \"todo.created\"` or \
                 `was(\"todo.created\", upcast = \"from_created\")`",
            );
            return None;
        }
        Some(was)
    }

    /// Nothing but the name.
    fn flag(&self, mistakes: &mut Mistakes) -> Option<()> {
        if let Value::Nothing = self.value {
            return Some(());
        }
        let name = &self.name;
        mistakes.add_spanned(self, format_args!("`{name}` takes no value: write `{name}` alone"));
        None
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.name.to_tokens(tokens);
        match &self.value {
            Value::Nothing => {}
            Value::Assigned(value) => value.to_tokens(tokens),
            Value::Listed(group) => group.to_tokens(tokens),
        }
    }
}

/// Reports an attribute that was there before.
fn is_repeated(item: &Item, seen: &mut Vec<Ident>, mistakes: &mut Mistakes) -> bool {
    let repeated = seen.contains(&item.name);
    if repeated {
        let name = &item.name;
        mistakes.add_spanned(item, format_args!("`{name}` is repeated: keep one"));
    } else {
        seen.push(item.name.clone());
    }
    repeated
}

/// The parts between commas; none for nothing after the last one.
fn split_at_commas(tokens: &TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for token in tokens.clone() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Names in backticks, as a sentence has them.
pub(crate) fn list<S: std::fmt::Display>(names: &[S]) -> String {
    let mut sentence = String::new();
    for (i, name) in names.iter().enumerate() {
        sentence += match i {
            0 => "",
            _ if i + 1 == names.len() => " and ",
            _ => ", ",
        };
        sentence += &format!("`{name}`");
    }
    sentence
}

/// The items named `name` in the `#[serde(...)]` attributes among `attrs`, as they are written.
///
/// Forms that serde does not know are left for it to report.
pub(crate) fn serde_items(attrs: &[Attribute], name: &str) -> Vec<TokenStream> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.meta.require_list().ok())
        .flat_map(|list| split_at_commas(&list.tokens))
        .filter(|item| matches!(item.first(), Some(TokenTree::Ident(first)) if first == name))
        .map(|item| item.into_iter().collect())
        .collect()
}
