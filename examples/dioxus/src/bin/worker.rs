//! The worker: the data of this browser, open in one of its tabs.

use diplomatic::web::{OpenFailure, StateApp, serve};
use diplomatic::{Client, Seed};
use groceries::{Configuration, Groceries};

fn main() {
    serve(
        |_| "groceries".to_owned(),
        async |configuration| {
            let client = open(&configuration).await?;
            Ok(StateApp::new(client, Groceries::list))
        },
    );
}

async fn open(configuration: &str) -> Result<Client<Groceries>, OpenFailure> {
    let Configuration { seed, host } = serde_json::from_str(configuration).map_err(|error| {
        OpenFailure::Failed(format!("the page and its worker are of different builds, reload: {error}"))
    })?;
    let seed: Seed = seed.parse().map_err(|error| OpenFailure::Failed(format!("enter the seed anew: {error}")))?;
    let mut builder = Client::builder(seed).store("groceries.redb");
    if let Some(host) = host {
        builder = builder.host(host);
    }
    Ok(builder.open().await?)
}
