use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::executor::Clock;
use crate::train::Device;

const BUDGET: Duration = Duration::from_millis(1);

fn network() -> Network {
    "20-7-10@16".parse().unwrap()
}

fn made_up_peak() -> Peak {
    Peak { bytes_per_second: 1e9, flops_per_second: 1e10, runs: [1, 1], clock: Clock::Host }
}
