//! What the host's cores can do at most: a copy and multiply-adds on all threads of the pool.

use std::hint::black_box;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::executor::{Clock, Timing};
use crate::executor::{Probe, copy_source};
use crate::platform::now;

/// Words that are copied: with the copy 512 MiB, more than the caches of most machines.
const COPY_WORDS: usize = 64 << 20;
/// Words that one task copies.
const TASK_WORDS: usize = 1 << 20;

/// Copies a buffer to another.
pub(crate) struct Copy {
    source: Vec<u32>,
    copied: Vec<u32>,
}

impl Copy {
    pub fn new() -> Self {
        Self { source: copy_source(COPY_WORDS), copied: vec![0; COPY_WORDS] }
    }
}

impl Probe for Copy {
    fn work(&self) -> f64 {
        2.0 * size_of_val(&self.source[..]) as f64
    }

    fn run(&mut self, times: usize) -> Result<Timing> {
        Ok(timed(|| {
            for _ in 0..times {
                let tasks = self.copied.par_chunks_mut(TASK_WORDS).zip(self.source.par_chunks(TASK_WORDS));
                tasks.for_each(|(copied, source)| black_box(copied).copy_from_slice(source));
            }
        }))
    }

    fn check(&mut self) -> Result<()> {
        match self.source == self.copied {
            true => Ok(()),
            false => Err(Error::Device("a copy in host memory is not what was copied".to_owned())),
        }
    }
}

/// Chains of `x = multiplier x + addend`: enough that latency is hidden, and few enough for the registers.
const CHAINS: usize = 12;
/// Multiply-adds of each chain in one repetition: long against the start of a task, and a count that f32 holds exactly
/// ([`MultiplyAdd::most`] times).
const STEPS: usize = 1 << 10;

/// Chains of multiply-adds in registers, on every thread of the pool. Both numbers are 1, so that each chain counts.
pub(crate) struct MultiplyAdd {
    /// The sum over a thread's chains and lanes, and how many lanes that are.
    sums: Vec<(f64, usize)>,
    steps: usize,
}

impl MultiplyAdd {
    pub fn new() -> Self {
        Self { sums: vec![(0.0, lanes()); rayon::current_num_threads()], steps: 0 }
    }
}

impl Probe for MultiplyAdd {
    fn work(&self) -> f64 {
        let lanes: usize = self.sums.iter().map(|(_, lanes)| lanes).sum();
        2.0 * (lanes * STEPS) as f64
    }

    fn run(&mut self, times: usize) -> Result<Timing> {
        self.steps = times * STEPS;
        let chains = Chains { steps: self.steps, factor: black_box(1.0), addend: black_box(1.0) };
        let mut sums = Vec::new();
        let timing = timed(|| sums = rayon::broadcast(|_| pulp::Arch::new().dispatch(chains)));
        self.sums = sums;
        Ok(timing)
    }

    /// 2^24 steps, beyond which f32 counts no further.
    fn most(&self) -> usize {
        (1 << 24) / STEPS
    }

    fn check(&mut self) -> Result<()> {
        let wrong = self.sums.iter().find(|(sum, lanes)| *sum != (self.steps * lanes) as f64);
        wrong.map_or(Ok(()), |(sum, lanes)| {
            let wanted = self.steps * lanes;
            Err(Error::Device(format!("multiply-adds on the host came to {sum}, not to {wanted}")))
        })
    }
}

#[derive(Clone, Copy)]
struct Chains {
    steps: usize,
    factor: f32,
    addend: f32,
}

impl WithSimd for Chains {
    type Output = (f64, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (factor, addend) = (simd.splat_f32s(self.factor), simd.splat_f32s(self.addend));
        let mut chains = [simd.splat_f32s(0.0); CHAINS];
        for _ in 0..self.steps {
            for x in &mut chains {
                *x = simd.mul_add_e_f32s(*x, factor, addend);
            }
        }
        let values: &[f32] = bytemuck::cast_slice(&chains);
        (values.iter().map(|value| f64::from(*value)).sum(), values.len())
    }
}

/// Numbers that one step of all chains of a thread computes.
fn lanes() -> usize {
    pulp::Arch::new().dispatch(Chains { steps: 0, factor: 1.0, addend: 1.0 }).1
}

fn timed(work: impl FnOnce() + Send) -> Timing {
    let started = now();
    work();
    Timing { seconds: started.elapsed().as_secs_f64(), clock: Clock::Host }
}
