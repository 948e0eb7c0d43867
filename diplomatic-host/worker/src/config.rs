//! What the operator has set, in the Worker's variables.

use diplomatic::standard::PublicKey;
use diplomatic_host::{Admission, ByteCount, Quotas};
use worker::Env;

/// How much an account may store unless the operator says otherwise. An object holds ten times as much at most.
const QUOTA: ByteCount = ByteCount(1 << 30);

/// What the operator has set.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) admission: Admission,
    /// Keys that get an account in any case.
    pub(crate) allowed: Vec<PublicKey>,
    /// Keys that are refused in any case.
    pub(crate) blocked: Vec<PublicKey>,
    pub(crate) quotas: Quotas,
}

/// A variable cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the variable {name} is {value:?}, which is not {expected}: correct it in wrangler.toml, and deploy again")]
pub(crate) struct ConfigError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

impl Config {
    pub(crate) fn read(env: &Env) -> Result<Self, ConfigError> {
        let quota = read(env, "QUOTA", "a number of bytes such as 5G", bytes)?.unwrap_or(QUOTA);
        let traffic = read(env, "TRAFFIC", "a number of bytes such as 20G", bytes)?.unwrap_or(ByteCount(0));
        Ok(Self {
            admission: read(env, "ADMISSION", "open, closed or allow-list", admission)?.unwrap_or(Admission::Closed),
            allowed: read(env, "ALLOW", KEYS, keys)?.unwrap_or_default(),
            blocked: read(env, "BLOCK", KEYS, keys)?.unwrap_or_default(),
            quotas: Quotas::new(quota.0, traffic.0),
        })
    }
}

const KEYS: &str = "a list of public keys in hex digits with commas between them";

/// Reads a variable; one that is empty counts as one that is not there.
fn read<T>(
    env: &Env,
    name: &'static str,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    let Ok(value) = env.var(name) else { return Ok(None) };
    let value = value.to_string();
    match value.trim() {
        "" => Ok(None),
        text => parse(text).map(Some).ok_or(ConfigError { name, value, expected }),
    }
}

fn bytes(text: &str) -> Option<ByteCount> {
    text.parse().ok()
}

fn admission(text: &str) -> Option<Admission> {
    match text {
        "open" => Some(Admission::Open),
        "closed" => Some(Admission::Closed),
        "allow-list" => Some(Admission::AllowList),
        _ => None,
    }
}

fn keys(text: &str) -> Option<Vec<PublicKey>> {
    text.split(',').map(|key| key.trim().parse().ok()).collect()
}
