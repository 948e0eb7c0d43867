//! Export and import by a client.

use diplomatic::Client;

use crate::files::folder;
use crate::todo::{Todos, added, seed};

async fn open() -> Client<Todos> {
    Client::builder(seed()).in_memory().open().await.unwrap()
}

#[tokio::test]
async fn a_client_exports_and_another_imports() {
    let (_folder, path) = folder();
    let old = open().await;
    old.emit(added("milk")).await.unwrap();
    assert_eq!(old.export(&path).await.unwrap().messages, 1);

    let new = open().await;
    let mut changes = new.changes();
    assert_eq!(new.import(&path).await.unwrap().new, 1);
    changes.next().await.unwrap();
    assert_eq!(new.read(Clone::clone), old.read(Clone::clone));
    assert_eq!(new.import(&path).await.unwrap().known, 1);
}
