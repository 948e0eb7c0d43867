//! `#[derive(DiplomaticEvent)]` for the `diplomatic` crate.

use proc_macro::TokenStream;

/// Implements `diplomatic::DiplomaticEvent` for an enum of events.
#[proc_macro_derive(DiplomaticEvent, attributes(diplomatic, serde))]
pub fn derive_diplomatic_event(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
