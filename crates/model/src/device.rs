//! Where the model computes and in which dtype.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};
use m3d_engine::WeightFormat;

use super::Precision;
use super::error::one_line;

/// A word that names no choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {what}; choose one of {choices}")]
pub struct UnknownChoice {
    /// What was to be chosen.
    pub what: &'static str,
    /// What was written.
    pub word: String,
    /// What there is.
    pub choices: &'static str,
}

/// Why a device cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A choice that this program was not built with.
    #[error(
        "this program was built without {0}; choose auto or cpu, or build it with `--features {0}`"
    )]
    NotBuilt(&'static str),
    /// The device does not answer.
    #[error("the {device} device cannot be used ({reason}); choose cpu")]
    Refused {
        /// The device asked for.
        device: &'static str,
        /// What it said.
        reason: String,
    },
}

/// The device the model is to run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// A GPU this program was built for and that answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first NVIDIA GPU (feature `cuda`).
    Cuda,
    /// The Apple GPU (feature `metal`).
    Metal,
}

/// The dtype the weights are held in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DTypeChoice {
    /// The best that fits into the free memory and is quick on the device.
    #[default]
    Auto,
    /// 32-bit floating point: exact, 4 bytes a weight.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// 8-bit blocks.
    Q8_0,
    /// 4-bit blocks.
    Q4k,
}

impl DeviceChoice {
    /// All, in the order of the menu.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Cpu, Self::Cuda, Self::Metal];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// When the program was built without it or the device does not answer. `Auto` never fails.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda if cfg!(feature = "cuda") => open_cuda().map_err(|e| refused("cuda", &e)),
            Self::Metal if cfg!(feature = "metal") => {
                Device::new_metal(0).map_err(|e| refused("metal", &e))
            }
            Self::Cuda => Err(DeviceError::NotBuilt("cuda")),
            Self::Metal => Err(DeviceError::NotBuilt("metal")),
            Self::Auto => Ok([Self::Cuda, Self::Metal]
                .into_iter()
                .find_map(|choice| choice.open().ok())
                .unwrap_or(Device::Cpu)),
        }
    }
}

/// The first NVIDIA GPU, with one stream for all threads: candle's usual device has one for each thread, and what one
/// thread computes another would read too early.
fn open_cuda() -> candle_core::Result<Device> {
    let device = Device::new_cuda_with_stream(0)?;
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = &device {
        // SAFETY: events order several streams; there is one.
        #[allow(unsafe_code)]
        unsafe {
            cuda.disable_event_tracking();
        }
    }
    Ok(device)
}

fn refused(device: &'static str, error: &candle_core::Error) -> DeviceError {
    let reason = error.to_string();
    DeviceError::Refused {
        device,
        reason: one_line(reason.lines().next().unwrap_or_default()),
    }
}

/// The name of an open device.
pub fn device_name(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
}

impl DTypeChoice {
    /// All, in the order of the menu.
    pub const ALL: [Self; 6] = [
        Self::Auto,
        Self::F32,
        Self::Bf16,
        Self::F16,
        Self::Q8_0,
        Self::Q4k,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4k => "q4k",
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for DTypeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeviceChoice {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, UnknownChoice> {
        let found = Self::ALL.into_iter().find(|c| c.name() == word);
        found.ok_or_else(|| UnknownChoice {
            what: "device",
            word: word.to_owned(),
            choices: "auto, cpu, cuda, metal",
        })
    }
}

impl FromStr for DTypeChoice {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, UnknownChoice> {
        let found = Self::ALL.into_iter().find(|c| c.name() == word);
        found.ok_or_else(|| UnknownChoice {
            what: "number type",
            word: word.to_owned(),
            choices: "auto, f32, bf16, f16, q8_0, q4k",
        })
    }
}

/// What a choice means on a device. On the CPU everything is computed in f32, whatever weights are held in: the
/// narrow types save memory and the time to read it. `Auto` means f32 there and bf16 on a GPU.
pub fn precision_of(choice: DTypeChoice, device: &Device) -> Precision {
    let on_gpu = !device.is_cpu();
    let compute = match choice {
        DTypeChoice::F16 if on_gpu => DType::F16,
        DTypeChoice::F32 => DType::F32,
        _ if on_gpu => DType::BF16,
        _ => DType::F32,
    };
    let held = |decoder, attention_output, vocabulary, towers| Precision {
        compute,
        decoder,
        attention_output,
        vocabulary,
        towers,
    };
    let plain = WeightFormat::Plain;
    match choice {
        DTypeChoice::Q8_0 if on_gpu => held(WeightFormat::Q8_0, plain, plain, plain),
        DTypeChoice::Q4k if on_gpu => held(WeightFormat::Q4K, WeightFormat::Q4K, plain, plain),
        DTypeChoice::Q8_0 => held(
            WeightFormat::Q8_0,
            WeightFormat::F16,
            WeightFormat::F16,
            WeightFormat::F16,
        ),
        DTypeChoice::Q4k => held(
            WeightFormat::Q4K,
            WeightFormat::Q4K,
            WeightFormat::Q8_0,
            WeightFormat::Bf16,
        ),
        DTypeChoice::Bf16 if !on_gpu => held(
            WeightFormat::Bf16,
            WeightFormat::Bf16,
            WeightFormat::Bf16,
            WeightFormat::Bf16,
        ),
        DTypeChoice::F16 if !on_gpu => held(
            WeightFormat::F16,
            WeightFormat::F16,
            WeightFormat::F16,
            WeightFormat::F16,
        ),
        _ => Precision::plain(compute),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for choice in DeviceChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for choice in DTypeChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("gpu".parse::<DeviceChoice>().is_err());
        assert!("F64".parse::<DTypeChoice>().is_err());
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(DeviceChoice::Auto.open().is_ok());
        if !cfg!(feature = "cuda") {
            let error = DeviceChoice::Cuda.open().unwrap_err();
            assert_eq!(error, DeviceError::NotBuilt("cuda"));
        }
    }
}
