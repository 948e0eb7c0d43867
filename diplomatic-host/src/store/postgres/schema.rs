//! The tables, and how those of an older version become those of this one.
//!
//! The statements that make them are the only ones that differ between databases: Postgres is told to spread the bags
//! over partitions by account, while a cluster spreads tables by itself. All others are of the language that they share.

use deadpool_postgres::{Client, Transaction};
use rand::TryRng;
use rand::rngs::SysRng;

use super::fault::Fault;

/// The format of the tables that this build reads and writes.
pub(super) const FORMAT: i64 = 1;

/// How many partitions the bags have on Postgres.
const PARTITIONS: u32 = 16;

/// One row: the format of the other tables, and the channel for hints, which tells hosts on one database apart.
const META: &str = "
CREATE TABLE IF NOT EXISTS diplomatic_host (id INT8 PRIMARY KEY, format INT8 NOT NULL, channel BYTEA NOT NULL)";

const ACCOUNTS: &str = "
CREATE TABLE accounts (
    account BYTEA PRIMARY KEY,
    last INT8 NOT NULL CHECK (last <= 72057594037927935),
    bytes INT8 NOT NULL
)";

const NOTES: &str = "CREATE TABLE notes (name BYTEA PRIMARY KEY, value BYTEA NOT NULL)";

const BAGS: &str = "
CREATE TABLE bags (
    account BYTEA NOT NULL,
    seq INT8 NOT NULL,
    signature BYTEA NOT NULL,
    kdm BYTEA NOT NULL,
    head BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (account, seq)
)";

const SIGNATURES: &str = "CREATE UNIQUE INDEX bags_by_signature ON bags (account, signature)";

/// Brings the tables up to date and returns the channel for hints, or the format if it is a newer one. Many processes may
/// do this at once.
pub(super) async fn prepare(client: &mut Client) -> Result<Result<String, i64>, Fault> {
    client.batch_execute(META).await?;
    let mut channel = [0_u8; 16];
    SysRng.try_fill_bytes(&mut channel).map_err(|_| Fault::Strange("no random numbers"))?;
    let first = "INSERT INTO diplomatic_host (id, format, channel) VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING";
    client.execute(first, &[&channel.as_slice()]).await?;
    let transaction = client.transaction().await?;
    // Others wait here until this one is done.
    let row = transaction.query_one("SELECT format, channel FROM diplomatic_host WHERE id = 1 FOR UPDATE", &[]).await?;
    let (format, channel): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    if format > FORMAT {
        return Ok(Err(format));
    }
    if format < 1 {
        first_format(&transaction).await?;
    }
    if format < FORMAT {
        transaction.execute("UPDATE diplomatic_host SET format = $1 WHERE id = 1", &[&FORMAT]).await?;
    }
    transaction.commit().await?;
    Ok(Ok(channel.iter().fold("diplomatic_".to_owned(), |name, byte| format!("{name}{byte:02x}"))))
}

async fn first_format(transaction: &Transaction<'_>) -> Result<(), Fault> {
    let row = transaction.query_one("SELECT version()", &[]).await?;
    let version: String = row.try_get(0)?;
    transaction.batch_execute(ACCOUNTS).await?;
    transaction.batch_execute(NOTES).await?;
    if version.starts_with("PostgreSQL") && !version.contains("-YB-") {
        // Rows that are updated with each push have room for it; sealed bodies do not become smaller by packing.
        transaction.batch_execute("ALTER TABLE accounts SET (fillfactor = 50)").await?;
        transaction.batch_execute(&format!("{BAGS} PARTITION BY HASH (account)")).await?;
        transaction.batch_execute("ALTER TABLE bags ALTER COLUMN body SET STORAGE EXTERNAL").await?;
        for number in 0..PARTITIONS {
            let values = format!("FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})");
            transaction.batch_execute(&format!("CREATE TABLE bags_{number} PARTITION OF bags {values}")).await?;
        }
    } else {
        transaction.batch_execute(BAGS).await?;
    }
    Ok(transaction.batch_execute(SIGNATURES).await?)
}
