//! The page as a static site, which needs no program: the device lives in the browser.

mod assets;
mod build;
mod serve;
mod toolchain;

use std::error::Error;
use std::path::PathBuf;

pub(crate) use self::serve::DEFAULT_PORT;
use crate::shutdown::Shutdown;
use crate::tell;

/// Builds the site, and serves it on this machine or writes it to a folder.
pub(crate) async fn web(port: Option<u16>, out: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::listen()?;
    let site = assets::Site::assemble(build::build()?)?;
    match out {
        Some(folder) => {
            site.write(&folder)?;
            tell(&format!(
                "{} holds the site. Put it on any static host, under https and an origin of its own: whatever else is on the same \
                 origin can read the lists.",
                folder.display()
            ));
        }
        None => serve::serve(site, port.unwrap_or(DEFAULT_PORT), shutdown).await?,
    }
    Ok(())
}
