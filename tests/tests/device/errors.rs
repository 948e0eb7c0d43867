//! Errors say whether the same call may work later.

use std::time::Duration;

use diplomatic::error::{EmitError, ExportFileError, ImportError, LogError, OpenLogError, TransactError, UndoError};
use diplomatic::history::Restore;
use diplomatic::standard::{EntityId, Seed, Status};
use diplomatic::sync::{Failure, ProxyFault, Refusal, TlsFault, Trouble};
use diplomatic::{Backing, Client, Device, DeviceConfig, OpenError};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::todo::{Event, Todos, added, at, device, seed};

fn open(backing: Backing, seed: &Seed) -> Result<Device<Todos>, OpenLogError> {
    let mut config = DeviceConfig::default();
    config.lock_wait = Duration::ZERO;
    Device::open_with(backing, seed, StdRng::seed_from_u64(1), config)
}

#[test]
fn a_log_in_use_can_be_opened_later_and_one_of_another_seed_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.redb");
    let first = open(Backing::file(&path), &seed()).unwrap();
    let error = open(Backing::file(&path), &seed()).unwrap_err();
    assert!(matches!(error, OpenLogError::InUse { .. }) && error.is_retryable(), "{error}");
    assert!(OpenError::from(error).is_retryable());
    drop(first);
    let error = open(Backing::file(&path), &Seed::from_bytes([1; 32])).unwrap_err();
    assert!(matches!(error, OpenLogError::WrongSeed { .. }) && !error.is_retryable(), "{error}");
    let error = open(Backing::file(folder.path().join("no/such/folder.redb")), &seed()).unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    std::fs::write(&path, "something else").unwrap();
    assert!(!open(Backing::file(&path), &seed()).unwrap_err().is_retryable());
    assert!(!OpenError::NoStore.is_retryable());
}

#[test]
fn what_an_app_has_to_change_does_not_pass_by_itself() {
    let mut device = device();
    device.emit(at(1), &added("milk")).unwrap();
    let derived = EntityId::singleton("todo.status");
    let error = device.emit(at(2), &Event::Removed { todo: derived }).unwrap_err();
    assert!(matches!(error, EmitError::DerivedEntity { .. }) && !error.is_retryable(), "{error}");
    let refused = device.transact(at(2), |_, _| Err::<(), _>("no")).unwrap_err();
    assert!(matches!(refused, TransactError::Refused("no")) && !refused.is_retryable());
    assert!(TransactError::<()>::Emit(EmitError::TooFarAhead { ahead: Duration::from_secs(1) }).is_retryable());
    device.undo(at(3)).unwrap();
    let nothing = device.undo(at(4)).unwrap_err();
    assert!(matches!(nothing, UndoError::Nothing) && !nothing.is_retryable());
    assert!(device.restore(at(5), &Restore::to(at(1))).is_ok());

    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/file.dpl");
    let error = device.export(&missing, &seed()).unwrap_err();
    assert!(matches!(error, ExportFileError::Io { .. }) && !error.is_retryable(), "{error}");
    let error = device.import(&missing, &seed()).unwrap_err();
    assert!(matches!(error, ImportError::Replay(_)) && !error.is_retryable(), "{error}");
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(ExportFileError::Io { path: missing, source: full }.is_retryable());
}

#[tokio::test]
async fn a_closed_client_stays_closed() {
    let client = Client::<Todos>::builder(seed()).in_memory().open().await.unwrap();
    client.close().await;
    let error = client.emit(added("milk")).await.unwrap_err();
    assert!(matches!(error, EmitError::Log(LogError::Closed)) && !error.is_retryable(), "{error}");
}

#[test]
fn troubles_of_networks_and_hosts_pass_and_wrong_settings_do_not() {
    let proxy = |fault| Trouble::Proxy { proxy: "http://p".into(), fault };
    for (trouble, passes) in [
        (Trouble::ConnectionRefused, true),
        (Trouble::Cut, true),
        (Trouble::HttpStatus(503), true),
        (Trouble::HttpStatus(418), false),
        (Trouble::HostFailed(Status::STORAGE_ERROR), true),
        (Trouble::Offline, false),
        (Trouble::FalseAcknowledgement, false),
        (proxy(ProxyFault::Timeout), true),
        (proxy(ProxyFault::Denied), false),
    ] {
        assert_eq!(trouble.is_retryable(), passes, "{trouble}");
    }
    assert!(Failure::Timeout.is_retryable());
    assert!(!Failure::Tls(TlsFault::SelfSigned).is_retryable());
    assert!(!Failure::HttpStatus(403).is_retryable());
    assert!(Refusal::Status(Status::STORAGE_ERROR).is_retryable());
    assert!(!Refusal::Status(Status::INVALID_SIGNATURE).is_retryable());
    assert!(!Refusal::TooLarge.is_retryable());
}
