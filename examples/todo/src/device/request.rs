//! Requests of the page, and their answers.

use diplomatic::{EmitError, EntityId, TransactError, UndoError};
use serde::{Deserialize, Serialize};

use super::{Device, sentence};
use crate::{Command, Refusal};

/// A request of the page: `{"id": 7, "do": "rename", "item": "…", "title": "milk"}`.
#[derive(Debug, Deserialize)]
struct Request {
    id: u64,
    #[serde(flatten)]
    wish: Wish,
}

/// What the page asks for: a change of the lists, or something about the device.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Wish {
    OfDevice(DeviceWish),
    OfLists(Command),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
enum DeviceWish {
    Undo,
    GoOffline,
    GoOnline,
}

/// The answer to a request.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The request's ID, if it had one.
    id: Option<u64>,
    /// What was created or changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<EntityId>,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("the page asked for something that this program does not know: load the page again")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("there is nothing to undo: what came from other devices is undone there")]
    NothingToUndo,
    #[error(transparent)]
    Undo(UndoError),
    #[error("this device cannot keep it")]
    Emit(#[from] EmitError),
}

/// Carries out a request. Every input gets an answer.
pub async fn answer(device: &Device, request: &str) -> Answer {
    let Ok(Request { id, wish }) = serde_json::from_str(request) else {
        #[derive(Deserialize)]
        struct Numbered {
            id: u64,
        }
        let id = serde_json::from_str(request).ok().map(|Numbered { id }| id);
        return Answer { id, entities: Vec::new(), error: Some(sentence(&RequestError::Unknown)) };
    };
    let (entities, error) = match grant(device, wish).await {
        Ok(entities) => (entities, None),
        Err(error) => (Vec::new(), Some(sentence(&error))),
    };
    Answer { id: Some(id), entities, error }
}

async fn grant(device: &Device, wish: Wish) -> Result<Vec<EntityId>, RequestError> {
    let client = &device.client;
    match wish {
        Wish::OfDevice(DeviceWish::GoOffline) => client.go_offline(),
        Wish::OfDevice(DeviceWish::GoOnline) => client.go_online(),
        Wish::OfDevice(DeviceWish::Undo) => {
            return match client.undo().await {
                Ok(undone) => Ok(undone.entities),
                Err(UndoError::Nothing) => Err(RequestError::NothingToUndo),
                Err(error) => Err(RequestError::Undo(error)),
            };
        }
        Wish::OfLists(command) => {
            let carried_out = client.transact(move |todos, batch| {
                let events = command.decide(todos, batch.new_entity())?;
                Ok(events.into_iter().map(|event| batch.push(event)).collect())
            });
            return carried_out.await.map_err(|error| match error {
                TransactError::Refused(refusal) => RequestError::Refused(refusal),
                TransactError::Emit(error) => error.into(),
                // `TransactError` may get more variants.
                _ => RequestError::Unknown,
            });
        }
    }
    Ok(Vec::new())
}
