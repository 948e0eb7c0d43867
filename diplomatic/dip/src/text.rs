//! Text that people type, in one form.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Returns text in Unicode's composed form (NFC), so that it is the same on every keyboard and system.
pub(crate) fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}
