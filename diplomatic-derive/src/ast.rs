//! The enum as the macro sees it: syntax with its attributes read, before any rule is applied.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Index, LitStr, Member};

use crate::attr::{EnumAttrs, Mistakes, VariantAttrs, refuse_on_field, serde_items};
use crate::byte_field::holds_bytes;

/// The enum.
pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) attrs: EnumAttrs,
    pub(crate) variants: Vec<Variant<'a>>,
}

/// A variant.
pub(crate) struct Variant<'a> {
    /// Its place in the enum, by which the helpers for it are named.
    pub(crate) index: usize,
    pub(crate) ident: &'a Ident,
    pub(crate) attrs: VariantAttrs,
    pub(crate) is_struct: bool,
    pub(crate) fields: Vec<Field<'a>>,
    /// The serde items that rename its fields, such as `rename_all = "camelCase"`.
    pub(crate) rename_all: Vec<TokenStream>,
}

/// A field of a variant.
pub(crate) struct Field<'a> {
    /// Its place in the variant.
    pub(crate) index: usize,
    pub(crate) member: Member,
    /// What attributes call it.
    pub(crate) name: String,
    /// Its type, which has the enum's name where the source says `Self`.
    pub(crate) ty: TokenStream,
    /// Whether it holds bytes, and no attribute says how it is serialized.
    pub(crate) is_bytes: bool,
    /// What it is called in a pattern.
    pub(crate) binding: Ident,
    /// The function that borrows it from the event.
    pub(crate) getter: Ident,
    pub(crate) attrs: &'a [Attribute],
}

impl<'a> Input<'a> {
    /// Reads the syntax. What is no enum is reported, and has no variants.
    pub(crate) fn from_syntax(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Self {
        let attrs = EnumAttrs::parse(&input.attrs, mistakes);
        let rename_all_fields = serde_items(&input.attrs, "rename_all_fields");
        let variants = match &input.data {
            Data::Enum(data) => data
                .variants
                .iter()
                .enumerate()
                .map(|(index, variant)| Variant::from_syntax(index, variant, input, &rename_all_fields, mistakes))
                .collect(),
            Data::Struct(_) => {
                refuse_kind(input, "a struct", mistakes);
                Vec::new()
            }
            Data::Union(_) => {
                refuse_kind(input, "a union", mistakes);
                Vec::new()
            }
        };
        Self { ident: &input.ident, generics: &input.generics, attrs, variants }
    }
}

fn refuse_kind(input: &DeriveInput, kind: &str, mistakes: &mut Mistakes) {
    let ident = &input.ident;
    mistakes.add(
        ident.span(),
        format_args!(
            "`{ident}` is {kind}, but events are the variants of an enum: make it an enum, or put it into one"
        ),
    );
}

impl<'a> Variant<'a> {
    fn from_syntax(
        place: usize,
        variant: &'a syn::Variant,
        input: &'a DeriveInput,
        rename_all_fields: &[TokenStream],
        mistakes: &mut Mistakes,
    ) -> Self {
        let attrs = VariantAttrs::parse(&variant.attrs, mistakes);
        let fields = variant
            .fields
            .iter()
            .enumerate()
            .map(|(index, field)| {
                refuse_on_field(&field.attrs, mistakes);
                let member = match &field.ident {
                    Some(ident) => Member::Named(ident.clone()),
                    None => Member::Unnamed(Index { index: index as u32, span: field.ty.span() }),
                };
                Field {
                    index,
                    name: field.ident.as_ref().map_or_else(|| index.to_string(), |ident| ident.unraw().to_string()),
                    member,
                    ty: replace_self(field.ty.to_token_stream(), &input.ident),
                    is_bytes: holds_bytes(&field.ty) && !says_how_to_serialize(&field.attrs),
                    binding: format_ident!("__field{index}"),
                    getter: format_ident!("__field{index}_of{place}"),
                    attrs: &field.attrs,
                }
            })
            .collect();
        let mut rename_all = serde_items(&variant.attrs, "rename_all");
        if rename_all.is_empty() {
            rename_all = rename_all_fields.iter().map(|item| of_one_variant(item.clone())).collect();
        }
        Self {
            index: place,
            ident: &variant.ident,
            attrs,
            is_struct: matches!(variant.fields, Fields::Named(_)),
            fields,
            rename_all,
        }
    }

    /// Finds the field that an attribute names; reports it if there is none.
    pub(crate) fn field(&self, name: &LitStr, mistakes: &mut Mistakes) -> Option<&Field<'a>> {
        let found = self.fields.iter().find(|field| field.name == name.value());
        if found.is_none() {
            let names: Vec<_> = self.fields.iter().map(|field| &field.name).collect();
            let known = match names[..] {
                [] => "it has no fields".to_owned(),
                [only] => format!("its field is `{only}`"),
                _ => format!("its fields are {}", crate::attr::list(&names)),
            };
            mistakes.add(name.span(), format_args!("no field `{}` in `{}`: {known}", name.value(), self.ident));
        }
        found
    }
}

/// Tells whether serde's attributes decide how a field is serialized.
fn says_how_to_serialize(attrs: &[Attribute]) -> bool {
    ["with", "serialize_with", "skip", "skip_serializing", "flatten"]
        .into_iter()
        .any(|name| !serde_items(attrs, name).is_empty())
}

/// Makes `rename_all` of `rename_all_fields`: the same, but said of one variant.
fn of_one_variant(item: TokenStream) -> TokenStream {
    let mut tokens = item.into_iter();
    let name = tokens.next().map(|name| TokenTree::Ident(Ident::new("rename_all", name.span())));
    name.into_iter().chain(tokens).collect()
}

/// Names the enum where its own definition says `Self`, which means another type in a helper.
fn replace_self(tokens: TokenStream, ident: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(name) if name == "Self" => ident.clone().into(),
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), replace_self(group.stream(), ident));
                replaced.set_span(group.span());
                replaced.into()
            }
            other => other,
        })
        .collect()
}
