//! One device and its page.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::account::Account;
use crate::device;
use crate::server::{Address, Server, Token};
use crate::shutdown::Shutdown;
use crate::tell;

/// Serves the page of the device in this directory until the program is asked to end.
pub(crate) async fn serve(data: PathBuf, port: Option<u16>) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::listen()?;
    let account = Account::find(data)?;
    let directory = account.directory.clone();
    let device = device::open(account).await?;

    let kept = Address::load(&directory)?;
    let wanted = port.or(kept.as_ref().map(|kept| kept.port));
    let token = kept.as_ref().map_or_else(Token::random, |kept| kept.token.clone());
    let server = Server::listen(wanted, token).await?;
    // If the wanted port is taken, it may be free next time, so keep it for the bookmark.
    let is_wanted = wanted.is_none_or(|wanted| wanted == server.address.port);
    if is_wanted && kept.as_ref() != Some(&server.address) {
        server.address.store(&directory)?;
    }
    tell("Whoever has this address and can use this machine can read and change your lists. Ctrl-C ends the program.");
    writeln!(io::stdout(), "{}", server.address)?;
    server.serve(vec![device], shutdown.requested()).await;
    Ok(())
}
