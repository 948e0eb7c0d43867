//! The corpora of the fuzz targets, run again.

use std::path::Path;

use crate::checks::CHECKS;

#[test]
fn every_corpus_passes_its_check() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, check) in CHECKS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpora.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            // The test harness shows what is printed only when a check fails.
            println!("{}", path.display());
            check(&bytes);
            // Neighbours that a fuzzer would try first: cut short, and one byte changed.
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
                check(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] ^= 0x81;
                check(&changed);
            }
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
    }
}

#[test]
fn every_check_has_its_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    for (name, _) in CHECKS {
        let target = std::fs::read_to_string(targets.join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("checks::{name}(")), "{name}");
    }
}
