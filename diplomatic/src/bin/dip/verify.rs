use crate::device::Place;
use crate::failure::Failure;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[arg(long)]
    offline: bool,
}
pub(crate) async fn run(_: &Place, _: &VerifyArgs) -> Result<(), Failure> {
    Ok(())
}
