//! The file: what is in it, and how it is cut into records.
//!
//! ```text
//! file    = magic · records · the end
//! record  = u32 length, big-endian · u8 kind · fields
//! note    = 1 · varbytes name · varbytes value
//! account = 2 · bytes(32) key
//! bag     = 3 · varint seq · bag                       of the account before it
//! damage  = 4                                          of the account before it: something is missing
//! end     = 0 · bytes(32) BLAKE3 of all bytes before this record
//! ```

use std::io;

use diplomatic::standard::{Bag, Decode, Encode, PublicKey, Reader, Seq, write_varint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::BackupError;

const MAGIC: &[u8] = b"diplomatic-host backup 1\n";
/// Larger than any request was ever taken.
const LARGEST: u32 = 1 << 30;

/// One record, but for the end.
#[derive(Debug)]
pub(super) enum Record {
    Note { name: String, value: String },
    Account(PublicKey),
    Bag(Seq, Bag),
    Damage,
}

impl Record {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Note { name, value } => {
                out.push(1);
                put_text(out, name);
                put_text(out, value);
            }
            Self::Account(key) => {
                out.push(2);
                key.encode(out);
            }
            Self::Bag(seq, bag) => {
                out.push(3);
                seq.encode(out);
                bag.encode(out);
            }
            Self::Damage => out.push(4),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, BackupError> {
        let mut reader = Reader::new(bytes);
        let record = match reader.byte()? {
            1 => Self::Note { name: reader.varstring()?.to_owned(), value: reader.varstring()?.to_owned() },
            2 => Self::Account(PublicKey::read(&mut reader)?),
            3 => Self::Bag(Seq::read(&mut reader)?, Bag::read(&mut reader)?),
            4 => Self::Damage,
            _ => return Err(BackupError::Damaged),
        };
        reader.finish()?;
        Ok(record)
    }
}

/// Writes records, and counts them into the hash at the end.
pub(super) struct Writer<W> {
    out: W,
    hash: blake3::Hasher,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) async fn start(out: W) -> io::Result<Self> {
        let mut writer = Self { out, hash: blake3::Hasher::new() };
        writer.put(MAGIC).await?;
        Ok(writer)
    }

    pub(super) async fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        record.encode(&mut bytes);
        let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= LARGEST);
        let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.put(&bytes).await
    }

    pub(super) async fn finish(mut self) -> io::Result<()> {
        let hash = self.hash.finalize();
        let mut end = 33_u32.to_be_bytes().to_vec();
        end.push(0);
        end.extend_from_slice(hash.as_bytes());
        self.out.write_all(&end).await?;
        self.out.flush().await
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes).await
    }
}

/// Reads records up to the end.
pub(super) struct Source<R> {
    input: R,
    hash: blake3::Hasher,
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub(super) async fn start(mut input: R) -> Result<Self, BackupError> {
        let magic = take(&mut input, MAGIC.len()).await;
        if magic.is_none_or(|magic| magic != MAGIC) {
            return Err(BackupError::NotABackup);
        }
        let mut hash = blake3::Hasher::new();
        hash.update(MAGIC);
        Ok(Self { input, hash })
    }

    /// Returns the next record, or `None` at an end that fits everything before it.
    pub(super) async fn next(&mut self) -> Result<Option<Record>, BackupError> {
        let prefix = take(&mut self.input, 4).await.ok_or(BackupError::Damaged)?;
        let length = prefix.as_slice().try_into().map(u32::from_be_bytes).map_err(|_| BackupError::Damaged)?;
        if length == 0 || length > LARGEST {
            return Err(BackupError::Damaged);
        }
        let bytes = take(&mut self.input, length as usize).await.ok_or(BackupError::Damaged)?;
        if bytes[0] == 0 {
            let rest = take(&mut self.input, 1).await;
            let fits = bytes[1..] == *self.hash.finalize().as_bytes() && rest.is_none();
            return if fits { Ok(None) } else { Err(BackupError::Damaged) };
        }
        self.hash.update(&prefix).update(&bytes);
        Record::decode(&bytes).map(Some)
    }
}

/// Reads exactly `count` bytes, `None` if there are fewer. Room is made as they come: the count may be a lie.
async fn take(input: &mut (impl AsyncRead + Unpin), count: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(count as u64).read_to_end(&mut bytes).await.ok()?;
    (bytes.len() == count).then_some(bytes)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // A text in memory is shorter than the largest varint.
    let _ = write_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
