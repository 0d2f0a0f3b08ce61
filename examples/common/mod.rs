//! What the examples share: `--device cpu|gpu`, and the line with the result.

use wgrad::{Device, Error, GpuRequest, Result};

/// The device that the command line asks for: `--device cpu` (the default), `--device gpu`, or `--device NAME` for an
/// adapter by part of its name, as software adapters must be.
pub fn device() -> Result<Device> {
    let mut words = std::env::args().skip(1);
    let refused = |reason: String| Error::spec("arguments", reason);
    let chosen = match (words.next().as_deref(), words.next()) {
        (None, _) => "cpu".to_owned(),
        (Some("--device"), Some(name)) => name,
        (Some(word), _) => return Err(refused(format!("`{word}`: only --device cpu or --device gpu is known"))),
    };
    let device = match chosen.as_str() {
        "cpu" => Device::cpu(),
        "gpu" => Device::gpu(GpuRequest::Best)?,
        name => Device::gpu(GpuRequest::Named(name.to_owned()))?,
    };
    eprintln!("running on {}", device.info().adapter);
    Ok(device)
}
