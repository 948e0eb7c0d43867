#![allow(dead_code)]
use diplomatic::raw::Raw;
use diplomatic::*;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostAccount {
    Unknown,
    Empty,
    Known,
}
#[derive(Debug, thiserror::Error)]
#[error("shim")]
pub(crate) struct InspectError;
pub(crate) struct HostInspector;
impl HostInspector {
    pub(crate) fn new(_: &Seed, _: &Label, _: &str) -> Result<Self, AddressError> {
        Ok(Self)
    }
    pub(crate) async fn account(&self) -> Result<HostAccount, InspectError> {
        Ok(HostAccount::Known)
    }
}
pub(crate) struct P {
    pub done: u64,
    pub total: u64,
}
pub(crate) trait Ext {
    async fn export_with(&self, p: &std::path::Path, f: impl FnMut(P)) -> Result<Exported, ExportFileError>;
    async fn import_with<F>(&self, r: Replay<F>, f: impl FnMut(P)) -> Result<ImportReport, ImportError>;
}
impl Ext for Client<Raw> {
    async fn export_with(&self, p: &std::path::Path, _: impl FnMut(P)) -> Result<Exported, ExportFileError> {
        self.export(p).await
    }
    async fn import_with<F>(&self, _: Replay<F>, _: impl FnMut(P)) -> Result<ImportReport, ImportError> {
        Ok(ImportReport::default())
    }
}
