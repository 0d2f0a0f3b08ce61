//! Training on the CPU takes the memory that the report foretells: the heap is counted by an allocator of its own. One
//! test, so that nothing else allocates meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Array2;
use wgrad::{Activation, Adam, Checkpoints, Dataset, Loss, Sequential, Trainer, epochs};

/// The system's allocator, and how much it has handed out.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all that is handed out, and taken back, is the system allocator's; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Orders of samples, reports, JSON, threads: what is no part of the report.
const REST: usize = 2 << 20;

/// The most that was allocated beyond what there was before.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn a_fit_takes_between_what_is_held_and_what_may_be_at_most() {
    let pixels = Array2::from_shape_fn((1500, 300), |(n, i)| (n * 31 + i * 17) as u8);
    let data = Dataset::from_images("bytes", pixels, (0..1500).map(|n| n % 10).collect()).unwrap();
    let model = Sequential::new(300).dense(700, Activation::Relu).dense(700, Activation::Relu).dropout(0.1);
    let model = model.layer_norm().dense(10, Activation::Linear);
    let directory = tempfile::TempDir::new().unwrap();
    let checkpoints = Checkpoints::in_directory(directory.path()).every_steps(3);
    for kept in [None, Some(&checkpoints)] {
        let builder = Trainer::new(model.clone(), Loss::SoftmaxCrossEntropy, Adam::new(1e-3)).batch_size(250);
        let report = builder.memory(&data).unwrap();
        let report = if kept.is_some() { report.with_checkpoints() } else { report };
        let peak = peak_of(|| {
            let mut trainer = builder.build().unwrap();
            trainer.fit(&data, epochs(1).validate(&data).checkpoints(kept), &mut ()).unwrap();
        });
        let (least, most) = (report.total as usize, report.peak() as usize + REST);
        assert!((least..=most).contains(&peak), "{peak} is not in {least} to {most}: {report:?}");
    }
}
