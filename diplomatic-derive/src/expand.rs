//! The code: an impl of `DiplomaticEvent` in an unnamed constant, with its helpers.
//!
//! Each payload has two helpers, because serde's attributes have to hold for it: a struct that serde serializes as a
//! remote of the event, so that it borrows the fields through getters but sees their own types; and one that it
//! deserializes, which owns them.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, LitStr};

use crate::ast::{Field, Input, Variant};
use crate::attr::{Mistakes, serde_items};
use crate::valid::{self, Event, Shape};

/// Returns the impl; or the mistakes, and an impl without content that keeps them from causing others.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let input = Input::from_syntax(input, &mut mistakes);
    let events = valid::events(&input, &mut mistakes);
    let krate = input.attrs.krate.as_ref().map_or_else(|| quote!(::diplomatic), ToTokens::to_token_stream);
    let expansion = Expansion { input: &input, private: quote!(#krate::__private) };
    if mistakes.is_empty() {
        expansion.implementation(&events)
    } else {
        let errors = mistakes.to_compile_errors();
        let stub = expansion.stub();
        quote!(#errors #stub)
    }
}

struct Expansion<'a> {
    input: &'a Input<'a>,
    /// The path of the module that all else is in.
    private: TokenStream,
}

impl Expansion<'_> {
    fn stub(&self) -> TokenStream {
        let Self { input, private } = self;
        let ident = input.ident;
        let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
        let predicates = where_clause.into_iter().flat_map(|clause| &clause.predicates);
        quote! {
            #[automatically_derived]
            impl #impl_generics #private::DiplomaticEvent for #ident #ty_generics
            where
                #(#predicates,)*
                Self: ::core::marker::Sized + ::core::marker::Send + ::core::marker::Sync + 'static,
            {
                const TYPES: &'static [#private::EventType] = &[];

                fn to_draft(&self) -> ::core::result::Result<#private::Draft, #private::EncodeEventError> {
                    ::core::unreachable!()
                }

                fn from_stored(
                    _: #private::Stored<'_>,
                ) -> ::core::result::Result<Self, #private::DecodeEventError> {
                    ::core::unreachable!()
                }
            }
        }
    }

    fn implementation(&self, events: &[Event<'_>]) -> TokenStream {
        let Self { input, private } = self;
        let ident = input.ident;
        let types = self.types(events);
        let helpers = events.iter().map(|event| self.helpers(event));
        let draft_arms = if events.is_empty() {
            quote!(match *self {})
        } else {
            let arms = events.iter().map(|event| self.draft_arm(event));
            quote!(match self { #(#arms)* })
        };
        let content_arms = events.iter().map(|event| self.content_arm(event));
        let parts = self.parts(events);
        let from_delete = self.delete_reader(events);
        quote! {
            #[doc(hidden)]
            #[allow(deprecated)]
            const _: () = {
                #(#helpers)*

                #[automatically_derived]
                impl #private::DiplomaticEvent for #ident {
                    const TYPES: &'static [#private::EventType] = #types;

                    fn to_draft(&self) -> ::core::result::Result<#private::Draft, #private::EncodeEventError> {
                        #draft_arms
                    }

                    fn from_stored(
                        __stored: #private::Stored<'_>,
                    ) -> ::core::result::Result<Self, #private::DecodeEventError> {
                        match __stored {
                            #private::Stored::Content {
                                type_name: __type_name,
                                entity: __entity,
                                payload: __payload,
                            } => match __type_name {
                                #(#content_arms)*
                                _ => {
                                    #(#parts)*
                                    ::core::result::Result::Err(#private::DecodeEventError::UnknownType)
                                }
                            },
                            #private::Stored::Message(_) => {
                                ::core::result::Result::Err(#private::DecodeEventError::UnknownType)
                            }
                        }
                    }

                    #from_delete
                }
            };
        }
    }

    /// The types of all events, in the order of the variants; those of another enum at the place of its variant.
    fn types(&self, events: &[Event<'_>]) -> TokenStream {
        let Self { private, .. } = self;
        if !events.iter().any(Event::is_flattened) {
            let types = events.iter().map(|event| self.event_type(event));
            return quote!(&[#(#types),*]);
        }
        let parts: Vec<TokenStream> = events
            .iter()
            .map(|event| match event.shape {
                Shape::Flatten(Field { ty, .. }) => quote!(<#ty as #private::DiplomaticEvent>::TYPES),
                _ => {
                    let own = self.event_type(event);
                    quote!(&[#own])
                }
            })
            .collect();
        let checks = events.iter().enumerate().filter_map(|(index, event)| {
            let Shape::Flatten(Field { ty, .. }) = event.shape else { return None };
            let others = parts.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, part)| part);
            let (part, span) = (&parts[index], event.variant.attrs.shapes.first()?.name.span());
            Some(quote_spanned! {span=>
                const _: () = ::core::assert!(
                    !<#ty as #private::DiplomaticEvent>::READS_ALL,
                    "an enum that reads all messages cannot be a part of another"
                );
                const _: () = ::core::assert!(
                    #private::names_differ(#part, &[#(#others),*]),
                    "a part of this enum has an event type of the same name as another: give one of them another prefix"
                );
            })
        });
        quote! {{
            #(#checks)*
            const PARTS: &[&[#private::EventType]] = &[#(#parts),*];
            const LEN: usize = #private::count_types(PARTS);
            const ALL: [#private::EventType; LEN] = #private::join_types(PARTS);
            &ALL
        }}
    }

    /// The statements that try the enums of `flatten` variants.
    fn parts(&self, events: &[Event<'_>]) -> Vec<TokenStream> {
        let Self { private, .. } = self;
        let parts = events.iter().filter_map(|event| {
            let Shape::Flatten(Field { ty, member, .. }) = event.shape else { return None };
            let ident = event.variant.ident;
            Some(quote! {
                match <#ty as #private::DiplomaticEvent>::from_stored(__stored) {
                    ::core::result::Result::Ok(__event) => {
                        return ::core::result::Result::Ok(Self::#ident { #member: __event });
                    }
                    ::core::result::Result::Err(#private::DecodeEventError::UnknownType) => {}
                    ::core::result::Result::Err(__error) => return ::core::result::Result::Err(__error),
                }
            })
        });
        parts.collect()
    }

    fn event_type(&self, event: &Event<'_>) -> TokenStream {
        let Self { private, .. } = self;
        let name = &event.type_name;
        let shape = match event.shape {
            Shape::Fact => quote!(Fact),
            Shape::Register { .. } => quote!(Register),
            Shape::Entity(_) => quote!(Entity),
            Shape::Delete(_) => quote!(Delete),
            Shape::Singleton => quote!(Singleton),
            Shape::Flatten(_) => unreachable!("its events have types of their own"),
        };
        let key = match &event.shape {
            Shape::Register { key } => key.iter().map(|field| &*field.name).collect(),
            Shape::Entity(field) => vec![&*field.name],
            Shape::Fact | Shape::Delete(_) | Shape::Singleton | Shape::Flatten(_) => Vec::new(),
        };
        let key = (!key.is_empty()).then(|| quote!(.keyed_by(&[#(#key),*])));
        let was: Vec<_> = event.was.iter().flat_map(|was| &was.types).collect();
        let was = (!was.is_empty()).then(|| quote!(.formerly(&[#(#was),*])));
        quote!(#private::EventType::new(#name, #private::Shape::#shape)#key #was)
    }

    /// The arm that makes a draft of an event.
    fn draft_arm(&self, event: &Event<'_>) -> TokenStream {
        let Self { private, .. } = self;
        let type_name = &event.type_name;
        if let Shape::Flatten(field) = event.shape {
            let pattern = self.pattern(event.variant, &[field]);
            let Field { ty, binding, .. } = field;
            return quote! {
                #pattern => <#ty as #private::DiplomaticEvent>::to_draft(#binding),
            };
        }
        if let Shape::Delete(field) = event.shape {
            let pattern = self.pattern(event.variant, &[field]);
            let entity = self.write_entity(field);
            return quote! {
                #pattern => ::core::result::Result::Ok(#private::Draft::Delete { entity: #entity }),
            };
        }

        let mut used: Vec<&Field<'_>> = Vec::new();
        used.extend(event.group);
        let group = match event.group {
            Some(Field { ty, binding, .. }) => quote!(<#ty as #private::GroupField>::to_group(#binding)),
            None => quote!(::core::option::Option::None),
        };
        used.extend(event.parent);
        let parent = match (event.parent, &event.shape) {
            (Some(Field { ty, binding, .. }), _) => quote!(<#ty as #private::ParentField>::to_parent(#binding)),
            (None, Shape::Register { key }) if key.len() == 1 => {
                let Field { ty, binding, .. } = key[0];
                if key_serializer(key[0]).is_some() {
                    let helper = key_helper(event.variant, key[0]);
                    quote!(#private::key_parent_by(|__probe| #helper::serialize(self, __probe)))
                } else {
                    used.push(key[0]);
                    quote!(#private::key_parent::<#ty>(#binding))
                }
            }
            (None, _) => quote!(::core::option::Option::None),
        };
        let target = match &event.shape {
            Shape::Fact => quote!(#private::Target::Fresh),
            Shape::Singleton => quote!(#private::Target::Singleton),
            Shape::Entity(field) => {
                used.push(field);
                let entity = self.write_entity(field);
                quote!(#private::Target::Entity(#entity))
            }
            Shape::Register { key } => {
                let len = key.len() as u32;
                let writes = key.iter().map(|field| {
                    let Field { ty, binding, .. } = field;
                    if key_serializer(field).is_some() {
                        let helper = key_helper(event.variant, field);
                        quote!(#helper::serialize(self, &mut *__serializer)?;)
                    } else {
                        used.push(field);
                        quote!(<#ty as #private::serde::Serialize>::serialize(#binding, &mut *__serializer)?;)
                    }
                });
                let writes: TokenStream = writes.collect();
                quote! {
                    #private::register_target(#type_name, #len, |__serializer| {
                        #writes
                        ::core::result::Result::Ok(())
                    })?
                }
            }
            Shape::Delete(_) | Shape::Flatten(_) => unreachable!("it has no content of its own"),
        };
        let payload = if event.payload().is_empty() {
            quote!(#private::nothing())
        } else {
            let helper = write_helper(event.variant);
            quote! {
                #private::write_payload(#type_name, |__serializer| #helper::serialize(self, __serializer))?
            }
        };
        let pattern = self.pattern(event.variant, &used);
        quote! {
            #pattern => ::core::result::Result::Ok(#private::Draft::Content {
                type_name: #type_name,
                target: #target,
                payload: #payload,
                group: #group,
                parent: #parent,
            }),
        }
    }

    /// The arms that read an event of this type back.
    fn content_arm(&self, event: &Event<'_>) -> TokenStream {
        let Self { private, .. } = self;
        let Event { variant, type_name, .. } = event;
        let ident = variant.ident;
        let entity = match event.shape {
            Shape::Delete(_) | Shape::Flatten(_) => return TokenStream::new(),
            Shape::Entity(field) => {
                let member = &field.member;
                let entity = self.read_entity(field);
                Some(quote!(#member: #entity,))
            }
            Shape::Fact | Shape::Register { .. } | Shape::Singleton => None,
        };
        let payload = event.payload();
        let members = payload.iter().map(|field| &field.member);
        let bindings: Vec<_> = payload.iter().map(|field| &field.binding).collect();
        let read = if payload.is_empty() {
            quote!(#private::read_nothing(#type_name, __payload)?;)
        } else {
            let helper = read_helper(variant);
            let read = if event.is_map() { quote!(read_fields) } else { quote!(read_value) };
            let pattern = if event.is_map() {
                let members = payload.iter().map(|field| &field.member);
                quote!(#helper { #(#members: #bindings,)* })
            } else {
                quote!(#helper(#(#bindings,)*))
            };
            quote!(let #pattern = #private::#read(#type_name, __payload)?;)
        };
        let was = event.was.iter().filter(|was| was.upcast.is_none()).flat_map(|was| &was.types);
        let upcasts = event.was.iter().filter_map(|was| {
            let upcast = was.upcast.as_ref()?;
            let function = quote!(#upcast).to_string().replace(' ', "");
            // At the place where the function is named, so that a misfit is reported there.
            let arms = was.types.iter().map(|name| {
                quote_spanned! {upcast.span()=>
                    #name => {
                        let __event = #private::upcast::<Self, _, _>(#name, __payload, __entity, #upcast)?;
                        if ::core::matches!(__event, Self::#ident { .. }) {
                            ::core::result::Result::Ok(__event)
                        } else {
                            ::core::result::Result::Err(#private::other_variant(#name, #function))
                        }
                    }
                }
            });
            Some(quote!(#(#arms)*))
        });
        let upcasts: TokenStream = upcasts.collect();
        quote! {
            #type_name #(| #was)* => {
                #read
                ::core::result::Result::Ok(Self::#ident { #(#members: #bindings,)* #entity })
            }
            #upcasts
        }
    }

    /// The function that reads a delete: as every variant that deletes.
    fn delete_reader(&self, events: &[Event<'_>]) -> TokenStream {
        let Self { private, .. } = self;
        let reads = events.iter().filter_map(|event| {
            let ident = event.variant.ident;
            match event.shape {
                Shape::Delete(field) => {
                    let member = &field.member;
                    let entity = self.read_entity(field);
                    Some(quote!(__events.push(Self::#ident { #member: #entity });))
                }
                Shape::Flatten(Field { ty, member, .. }) => Some(quote! {
                    let __deletes = <#ty as #private::DiplomaticEvent>::from_delete(__entity);
                    __events.extend(__deletes.into_iter().map(|__event| Self::#ident { #member: __event }));
                }),
                _ => None,
            }
        });
        let reads: TokenStream = reads.collect();
        if reads.is_empty() {
            return TokenStream::new();
        }
        quote! {
            fn from_delete(__entity: &#private::EntityId) -> ::std::vec::Vec<Self> {
                let mut __events = ::std::vec::Vec::new();
                #reads
                __events
            }
        }
    }

    /// Matches a variant, and binds some of its fields.
    fn pattern(&self, variant: &Variant<'_>, used: &[&Field<'_>]) -> TokenStream {
        let enum_ident = self.input.ident;
        let ident = variant.ident;
        let bound = variant.fields.iter().filter(|field| used.iter().any(|used| used.member == field.member));
        let (members, bindings): (Vec<_>, Vec<_>) = bound.map(|field| (&field.member, &field.binding)).unzip();
        quote!(#enum_ident::#ident { #(#members: #bindings,)* .. })
    }

    fn write_entity(&self, field: &Field<'_>) -> TokenStream {
        let Self { private, .. } = self;
        let Field { ty, binding, .. } = field;
        quote!(<#ty as #private::EntityField>::to_entity(#binding))
    }

    fn read_entity(&self, field: &Field<'_>) -> TokenStream {
        let Self { private, .. } = self;
        let ty = &field.ty;
        quote!(<#ty as #private::EntityField>::from_entity(__entity))
    }

    /// The getters of a variant, the two forms of its payload, and those of key fields that need one of their own.
    fn helpers(&self, event: &Event<'_>) -> TokenStream {
        let Self { input, private } = self;
        let Event { variant, type_name, .. } = event;
        let enum_ident = input.ident;
        let remote = text(enum_ident);
        let serde = text(&quote!(#private::serde));
        let payload = event.payload();
        if payload.is_empty() {
            return TokenStream::new();
        }

        let others = (input.variants.len() > 1).then(|| quote!(_ => ::core::unreachable!(),));
        let getters = payload.iter().map(|field| {
            let Field { ty, binding, getter, .. } = field;
            let pattern = self.pattern(variant, &[field]);
            quote! {
                fn #getter(__event: &#enum_ident) -> &#ty {
                    match __event {
                        #pattern => #binding,
                        #others
                    }
                }
            }
        });

        let rename_all = &variant.rename_all;
        let write = write_helper(variant);
        let write_fields = fields(event, &payload, |field| {
            let getter = text(&field.getter);
            let bytes = field.is_bytes.then(|| {
                let serializer = text(&quote!(#private::serialize_bytes));
                quote!(, serialize_with = #serializer)
            });
            quote!(#[serde(getter = #getter #bytes)])
        });
        let read = read_helper(variant);
        let read_fields = fields(event, &payload, |_| TokenStream::new());
        let expecting = format!("the fields of `{type_name}`");

        let key: &[&Field<'_>] = if let Shape::Register { key } = &event.shape { key } else { &[] };
        let key_helpers = key.iter().filter_map(|field| {
            let serializer = key_serializer(field)?;
            let helper = key_helper(variant, field);
            let Field { ty, getter, .. } = field;
            let getter = text(getter);
            Some(quote! {
                #[derive(#private::serde::Serialize)]
                #[serde(crate = #serde, remote = #remote)]
                struct #helper(#[serde(getter = #getter, #serializer)] #ty);
            })
        });

        quote! {
            #(#getters)*

            #[derive(#private::serde::Serialize)]
            #[serde(crate = #serde, remote = #remote)]
            #(#[serde(#rename_all)])*
            struct #write #write_fields

            #[derive(#private::serde::Deserialize)]
            #[serde(crate = #serde, expecting = #expecting)]
            #(#[serde(#rename_all)])*
            struct #read #read_fields

            #(#key_helpers)*
        }
    }
}

/// The body of a helper struct: the fields with their serde attributes, and one more each.
fn fields(event: &Event<'_>, payload: &[&Field<'_>], attribute: impl Fn(&Field<'_>) -> TokenStream) -> TokenStream {
    let fields = payload.iter().map(|field| {
        let serde = field.attrs.iter().filter(|attr| attr.path().is_ident("serde"));
        let attribute = attribute(field);
        let name = event.is_map().then(|| {
            let member = &field.member;
            quote!(#member:)
        });
        let ty = &field.ty;
        quote!(#attribute #(#serde)* #name #ty)
    });
    if event.is_map() { quote!({ #(#fields,)* }) } else { quote!((#(#fields,)*);) }
}

/// The serde item by which a field serializes other than its type does.
fn key_serializer(field: &Field<'_>) -> Option<TokenStream> {
    ["with", "serialize_with"].into_iter().flat_map(|name| serde_items(field.attrs, name)).next()
}

fn write_helper(variant: &Variant<'_>) -> Ident {
    format_ident!("__Write{}", variant.index)
}

fn read_helper(variant: &Variant<'_>) -> Ident {
    format_ident!("__Read{}", variant.index)
}

fn key_helper(variant: &Variant<'_>, field: &Field<'_>) -> Ident {
    format_ident!("__Key{}Of{}", field.index, variant.index)
}

/// Tokens as a string literal, which is how serde's attributes take them.
fn text(tokens: &impl ToTokens) -> LitStr {
    LitStr::new(&tokens.to_token_stream().to_string(), proc_macro2::Span::call_site())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_crate_is_the_only_one_that_is_named() {
        let input = syn::parse_quote! {
            #[diplomatic(crate = "elsewhere::renamed")]
            enum Event {
                #[diplomatic(overwrites = "item", gid = "list", pid = "item")]
                Renamed { item: Id, list: String },
                #[diplomatic(entity = "0")]
                Put(Id, u8),
                #[diplomatic(deletes = "0")]
                Removed(Id),
                #[diplomatic(singleton)]
                Theme(String),
                Opened,
            }
        };
        let code = derive(&input).to_string();
        assert!(code.contains("elsewhere :: renamed :: __private"));
        assert!(!code.contains("compile_error") && !code.contains("diplomatic"), "{code}");
    }
}
