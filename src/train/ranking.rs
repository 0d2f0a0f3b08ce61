//! The area under the receiver operating characteristic, of scores that the device ranks.

use super::Device;
use crate::error::Result;
use crate::executor::Executor;
use crate::lower::ranking;
use crate::plan::{Port, ProgramId};
use crate::tensor::TensorData;
use crate::tensor::{Iteration, TensorId};

/// The most samples that are ranked: as many invocations as a dispatch may have along one dimension by WebGPU's default
/// limits, 65,535 workgroups of 256.
const MOST_SAMPLES: usize = 65_535 * 256;

/// A device that ranks scores, kept for the next evaluation.
pub(super) struct Ranking {
    executor: Box<dyn Executor>,
    /// R, replicas that it takes at a time.
    replicas: usize,
    /// N, samples that it has room for.
    samples: usize,
}

impl Ranking {
    /// For these replicas, as many at a time as one of the device's buffers has room for; none where that is not even one,
    /// or there are more than [`MOST_SAMPLES`].
    pub fn new(device: &Device, replicas: usize, samples: usize) -> Result<Option<Self>> {
        let bytes = (samples * size_of::<u32>()) as u64;
        let affordable = usize::try_from(device.largest_binding() / bytes.max(1)).unwrap_or(usize::MAX);
        let at_a_time = affordable.min(replicas);
        if samples > MOST_SAMPLES || at_a_time == 0 {
            return Ok(None);
        }
        let executor = device.executor(ranking(at_a_time, samples), None)?;
        Ok(Some(Self { executor, replicas: at_a_time, samples }))
    }

    fn port(&self, port: Port) -> TensorId {
        self.executor.plan().program(ProgramId::Rank).port(port)
    }

    /// Whether there is room for so many samples.
    pub fn fits(&self, samples: usize) -> bool {
        samples <= self.samples
    }

    /// The area under the receiver operating characteristic of each replica's scores: of all pairs of a sample of class 1
    /// and one of class 0, the share in which the former scores higher, ties counting half (Mann and Whitney 1947; Hanley
    /// and McNeil, Radiology 1982). Exact: the device counts pairs in whole numbers. None unless there are samples of
    /// both, or if a score is not a number.
    pub fn areas(&mut self, scores: &[Vec<f32>], is_one: &[bool]) -> Result<Vec<Option<f64>>> {
        let classes: Vec<u32> = is_one.iter().map(|one| u32::from(*one)).collect();
        self.executor.write(self.port(Port::Classes), 0, TensorData::U32(&classes))?;
        let ones = is_one.iter().filter(|one| **one).count() as u64;
        let pairs = ones * (is_one.len() as u64 - ones);
        let mut areas = Vec::with_capacity(scores.len());
        for group in scores.chunks(self.replicas) {
            for counted in self.count(group, is_one.len())?.chunks_exact(3).take(group.len()) {
                let twice = u64::from(counted[0]) + (u64::from(counted[1]) << 32);
                let is_sound = pairs > 0 && counted[2] == 0;
                areas.push(is_sound.then(|| twice as f64 / (2 * pairs) as f64));
            }
        }
        Ok(areas)
    }

    /// Counts of one group of replicas, (R, 3).
    fn count(&mut self, group: &[Vec<f32>], samples: usize) -> Result<Vec<u32>> {
        for (r, scores) in group.iter().enumerate() {
            let bits: Vec<u32> = scores.iter().map(|score| score.to_bits()).collect();
            self.executor.write(self.port(Port::Scores), r * self.samples, TensorData::U32(&bits))?;
        }
        self.executor.write(self.port(Port::Pairs), 0, TensorData::U32(&vec![0; 3 * self.replicas]))?;
        let iteration = Iteration { rows: samples as u32, first: 0, slot: 0, number: 1 };
        for step in 0..self.executor.plan().program(ProgramId::Rank).steps.len() {
            self.executor.submit_step(ProgramId::Rank, step, iteration)?;
        }
        self.executor.read_words(self.port(Port::Pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};
    use crate::verify::test_gpu;

    fn for_replicas(device: &Device, count: usize, samples: usize) -> Option<Ranking> {
        Ranking::new(device, count, samples).unwrap()
    }

    /// What both devices answer, which is the same. They have room for more samples and fewer replicas, and have been used
    /// before.
    fn areas(scores: &[Vec<f32>], is_one: &[bool]) -> Vec<Option<f64>> {
        let answers = [Device::cpu(), test_gpu().unwrap().into()].map(|device| {
            let mut own = for_replicas(&device, 2, is_one.len() + 3).unwrap();
            assert!(own.fits(is_one.len()) && !own.fits(is_one.len() + 4));
            let more: Vec<_> = (0..is_one.len() + 3).map(|n| n % 2 == 1).collect();
            own.areas(&[more.iter().map(|one| f32::from(u8::from(*one))).collect()], &more).unwrap();
            own.areas(scores, is_one).unwrap()
        });
        assert_eq!(answers[0], answers[1]);
        answers[0].clone()
    }

    fn area(scores: &[f32], ones: &[u8]) -> Option<f64> {
        let is_one: Vec<_> = ones.iter().map(|one| *one == 1).collect();
        areas(&[scores.to_vec()], &is_one)[0]
    }

    #[test]
    fn the_area_counts_pairs_and_ties_by_half() {
        assert_eq!(area(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
        assert_eq!(area(&[0.5, 0.5, 0.5], &[0, 1, 0]), Some(0.5));
        assert_eq!(area(&[-0.0, 0.0, 1.0], &[1, 0, 0]), Some(0.25));
        assert_eq!(area(&[f32::NEG_INFINITY, 3.0, f32::INFINITY], &[0, 0, 1]), Some(1.0));
        assert_eq!(area(&[-1.0, -2.0], &[1, 0]), Some(1.0));
        assert_eq!(area(&[0.3, 0.7], &[1, 1]), None);
        assert_eq!(area(&[0.3], &[0]), None);
        assert_eq!(area(&[0.3, f32::NAN], &[0, 1]), None);
        assert_eq!(area(&[-f32::NAN, 0.3], &[0, 1]), None);
    }

    #[test]
    fn it_is_the_share_of_all_pairs() {
        let mut stream = Stream::new(5, Purpose::Inputs, 0);
        let is_one: Vec<_> = (0..700).map(|_| stream.word().is_multiple_of(3)).collect();
        let mut scores = || (0..700).map(|_| (stream.symmetric(1.0) * 100.0).round()).collect::<Vec<f32>>();
        let replicas = [scores(), scores(), scores()];
        let of_class = |own: &[f32], class: bool| -> Vec<f32> {
            own.iter().zip(&is_one).filter(|(_, one)| **one == class).map(|(score, _)| *score).collect()
        };
        let all_pairs = |own: &Vec<f32>| {
            let (ones, others) = (of_class(own, true), of_class(own, false));
            let half = |one: &f32, other: &f32| u32::from(one > other) + u32::from(one >= other);
            let twice: u32 = ones.iter().flat_map(|one| others.iter().map(move |other| half(one, other))).sum();
            Some(f64::from(twice) / (2 * ones.len() * others.len()) as f64)
        };
        assert_eq!(areas(&replicas, &is_one), replicas.iter().map(all_pairs).collect::<Vec<_>>());
    }

    #[test]
    fn more_samples_than_there_is_room_for_have_none() {
        assert!(for_replicas(&Device::cpu(), 1, MOST_SAMPLES + 1).is_none());
    }
}
