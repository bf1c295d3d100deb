//! `model`: what is done to models.

use clap::{Args, Subcommand};

use super::model_quantize::{self, QuantizeArguments};

/// Arguments of `model`.
#[derive(Args, Debug)]
pub struct ModelArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a model with its weights in fewer bits.
    Quantize(QuantizeArguments),
}

pub(super) fn run(arguments: &ModelArguments) -> anyhow::Result<()> {
    match &arguments.action {
        Action::Quantize(arguments) => model_quantize::run(arguments),
    }
}
