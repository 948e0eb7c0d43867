//! The programs of the README's tutorial, of which `README_STEP` names one; `build.rs` makes them.

use std::env;
use std::error::Error;

include!(concat!(env!("OUT_DIR"), "/readme.rs"));

fn main() -> Result<(), Box<dyn Error>> {
    run(env::var("README_STEP")?.parse()?)
}
