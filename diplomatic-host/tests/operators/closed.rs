//! A closed host that was ever somebody's stays closed, whatever becomes of its accounts.

use std::path::Path;

use diplomatic::standard::Status;

use super::support::account::Account;
use super::{Site, push, register};

const CLOSED: [&str; 2] = ["--admission", "closed"];

/// Nobody whom the operator does not let in gets an account, and whoever is let in does.
async fn assert_closed(site: &Site, host: &super::Program) {
    let [stranger, guest] = [101, 102].map(Account::new);
    assert_eq!(register(host.address, &stranger, "/user").await, Status::USER_NOT_REGISTERED);
    let link = site.told(&["invite"]);
    assert_eq!(register(host.address, &guest, &format!("{}/user", link.trim_end())).await, Status::SUCCESS);
    assert_eq!(register(host.address, &stranger, "/user").await, Status::USER_NOT_REGISTERED);
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_closed_host_whose_accounts_were_all_deleted_stays_closed() {
    let site = Site::new();
    let host = site.serve(&CLOSED);
    let first = Account::new(1);
    let key = first.key().to_string();
    assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
    site.told(&["accounts", "delete", &key]);
    assert_eq!(register(host.address, &Account::new(2), "/user").await, Status::USER_NOT_REGISTERED);
    assert_eq!(register(host.address, &first, "/user").await, Status::USER_NOT_REGISTERED, "it is let in anew or not");
    drop(host);

    let host = site.serve(&CLOSED);
    assert_eq!(register(host.address, &Account::new(2), "/user").await, Status::USER_NOT_REGISTERED);
    site.told(&["accounts", "allow", &key]);
    assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
    site.told(&["accounts", "delete", &key]);
    assert_closed(&site, &host).await;
}

#[tokio::test]
async fn a_host_that_was_open_once_is_nobody_elses_when_it_is_closed() {
    let site = Site::new();
    let mut host = site.serve(&["--admission", "open"]);
    let accounts = [1, 2].map(Account::new);
    for account in &accounts {
        assert_eq!(register(host.address, account, "/user").await, Status::SUCCESS);
    }
    host.kill();
    let host = site.serve(&CLOSED);
    for account in &accounts {
        site.told(&["accounts", "delete", &account.key().to_string()]);
        assert_eq!(register(host.address, &Account::new(3), "/user").await, Status::USER_NOT_REGISTERED);
    }
    assert_closed(&site, &host).await;
}

#[tokio::test]
async fn whoever_was_invited_or_allowed_first_has_claimed_a_closed_host() {
    let site = Site::new();
    let [allowed, invited] = [1, 2].map(Account::new);
    let mut host = site.serve(&["--admission", "closed", "--allow", &allowed.key().to_string()]);
    assert_eq!(register(host.address, &allowed, "/user").await, Status::SUCCESS);
    site.told(&["accounts", "delete", &allowed.key().to_string()]);
    host.kill();
    let host = site.serve(&CLOSED);
    assert_closed(&site, &host).await;

    let site = Site::new();
    let host = site.serve(&CLOSED);
    let link = site.told(&["invite"]);
    assert_eq!(register(host.address, &invited, &format!("{}/user", link.trim_end())).await, Status::SUCCESS);
    site.told(&["accounts", "delete", &invited.key().to_string()]);
    assert_closed(&site, &host).await;
}

#[tokio::test]
async fn a_blocked_first_account_leaves_its_place_to_nobody() {
    let site = Site::new();
    let host = site.serve(&CLOSED);
    let first = Account::new(1);
    let key = first.key().to_string();
    assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
    site.told(&["accounts", "block", &key]);
    assert_eq!(register(host.address, &Account::new(2), "/user").await, Status::USER_NOT_REGISTERED);
    site.told(&["accounts", "delete", &key]);
    assert_eq!(register(host.address, &first, "/user").await, Status::USER_NOT_REGISTERED);
    assert_closed(&site, &host).await;
}

#[tokio::test]
async fn a_restored_host_is_as_closed_as_the_one_that_was_backed_up() {
    // One that has its first account, one that lost it, and one that is restored account by account.
    for (delete, export) in [(false, false), (true, false), (false, true)] {
        let site = Site::new();
        let host = site.serve(&CLOSED);
        let first = Account::new(1);
        let key = first.key().to_string();
        assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
        push(host.address, &first, 3, 10).await;
        let file = site.path("backup");
        if delete {
            site.told(&["accounts", "delete", &key]);
        }
        if export {
            site.told(&["accounts", "export", &key, name(&file)]);
        } else {
            site.told(&["backup", name(&file)]);
        }

        let other = Site::new();
        other.told(&["restore", name(&file)]);
        let host = other.serve(&CLOSED);
        let expected = if delete { Status::USER_NOT_REGISTERED } else { Status::SUCCESS };
        assert_eq!(register(host.address, &first, "/user").await, expected);
        if !delete {
            other.told(&["accounts", "delete", &key]);
        }
        assert_closed(&other, &host).await;
    }
}

#[tokio::test]
async fn a_backup_from_before_does_not_open_a_host_that_was_claimed() {
    let site = Site::new();
    let host = site.serve(&CLOSED);
    let file = site.path("backup");
    site.told(&["backup", name(&file)]);
    let first = Account::new(1);
    assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
    site.told(&["accounts", "delete", &first.key().to_string()]);
    site.told(&["restore", name(&file)]);
    assert_closed(&site, &host).await;
}
