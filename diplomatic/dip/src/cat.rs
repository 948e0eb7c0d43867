//! `dip cat`: standard input becomes one message.

use std::io::{self, Read};

use clap::Args;
use diplomatic::event::Target;
use diplomatic::raw::RawEvent;
use serde::Serialize;

use crate::device::{self, Place};
use crate::failure::Failure;
use crate::outcome;
use crate::payload;
use crate::time::now;

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// Reads JSON, the payload of an event of this type, such as todo.added.
    #[arg(long = "type", value_name = "NAME")]
    type_name: Option<String>,
    /// Uses the host in DIP_HOST even if it has nothing of this account, because this is the account's first device there.
    #[arg(long)]
    create: bool,
}

pub(crate) async fn run(place: &Place, arguments: CatArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    let event = event(arguments.type_name)?;
    place.check_hosts(&seed, arguments.create).await?;
    // The message is safe before any host is asked, and others need not wait for the hosts to write theirs.
    let entity = place.open_or_make(&seed)?.emit(now(), &event)?;
    let hosts = place.hosts()?;
    let status = if hosts.is_empty() {
        place
            .output
            .tell("There is no host: the message is queued for the first one that you add with `dip host add`.");
        None
    } else {
        match place.connect(&seed, &hosts).await {
            Ok(client) => {
                let status = device::sync(&client, place.output).await?;
                device::tell_troubles(&status, place.output);
                outcome::note(place, &status);
                client.close().await;
                Some(status)
            }
            // Whoever has it open sends the message.
            Err(failure) if failure.is_in_use() => None,
            Err(failure) => return Err(failure),
        }
    };
    let queued = status.is_none_or(|status| status.pending() > 0);
    if queued && !place.hosts()?.is_empty() {
        place.output.tell("The message is queued: the next command that reaches the host delivers it.");
    }
    #[derive(Serialize)]
    struct Written {
        entity: String,
        queued: bool,
    }
    let entity = entity.to_string();
    place.output.result(&Written { entity: entity.clone(), queued }, entity)
}

fn event(type_name: Option<String>) -> Result<RawEvent, Failure> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).map_err(Failure::Input)?;
    let text = String::from_utf8(input).map_err(|_| Failure::NotText)?;
    Ok(match type_name {
        Some(type_name) => {
            let payload = payload::from_json(&text).map_err(Failure::NotJson)?;
            RawEvent::Typed { type_name, target: Target::Fresh, payload, group: None, parent: None }
        }
        None => RawEvent::Bare { body: payload::from_text(&text) },
    })
}
