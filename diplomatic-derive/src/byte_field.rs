//! Which fields hold bytes, as far as their types say so.

use syn::{GenericArgument, PathArguments, Type};

/// Tells whether a type is a sequence of bytes, or a standard container of such. A type of another name, such as an alias,
/// is not looked into.
pub(crate) fn holds_bytes(ty: &Type) -> bool {
    match ty {
        Type::Array(array) => is_byte(&array.elem),
        Type::Paren(inner) => holds_bytes(&inner.elem),
        Type::Group(inner) => holds_bytes(&inner.elem),
        Type::Path(path) if path.qself.is_none() => {
            let Some(last) = path.path.segments.last() else { return false };
            let is_standard = path.path.segments.len() == 1
                || path.path.segments.first().is_some_and(|first| first.ident == "std" || first.ident == "alloc");
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
            let types: Vec<&Type> = arguments
                .args
                .iter()
                .filter(|argument| !matches!(argument, GenericArgument::Lifetime(_)))
                .map_while(|argument| if let GenericArgument::Type(ty) = argument { Some(ty) } else { None })
                .collect();
            let has_others = arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Const(_)));
            match (last.ident.to_string().as_str(), types.as_slice()) {
                _ if !is_standard || has_others => false,
                ("Vec", [item]) => is_byte(item) || holds_bytes(item),
                ("Box", [inner]) => is_byte_slice(inner) || holds_bytes(inner),
                ("Arc" | "Cow", [inner]) => is_byte_slice(inner),
                ("Option", [inner]) => holds_bytes(inner),
                ("BTreeMap" | "HashMap", [_, value, ..]) => holds_bytes(value),
                _ => false,
            }
        }
        _ => false,
    }
}

fn is_byte_slice(ty: &Type) -> bool {
    matches!(ty, Type::Slice(slice) if is_byte(&slice.elem))
}

fn is_byte(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("u8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_in_standard_containers_and_nowhere_else() {
        let holds = |text: &str| holds_bytes(&syn::parse_str(text).expect("a type"));
        let bytes = [
            "Vec<u8>",
            "std::vec::Vec<u8>",
            "[u8; 32]",
            "Option<Vec<u8>>",
            "Option<[u8; N]>",
            "Box<[u8]>",
            "Arc<[u8]>",
            "Cow<'static, [u8]>",
            "Vec<Vec<u8>>",
            "Box<Vec<u8>>",
            "BTreeMap<String, Vec<u8>>",
            "HashMap<u8, Option<[u8; 4]>>",
        ];
        assert!(bytes.into_iter().all(holds));
        let others = [
            "u8",
            "Vec<u16>",
            "Vec<String>",
            "Option<u8>",
            "String",
            "Bytes",
            "BTreeMap<Vec<u8>, u8>",
            "(u8, u8)",
            "Vec",
            "heapless::Vec<u8>",
            "Vec<u8, 4>",
        ];
        assert!(!others.into_iter().any(holds));
    }
}
