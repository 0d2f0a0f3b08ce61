//! Forks within a submission. Steps of small networks take microseconds, in which rayon's threads find work too late: they
//! search all queues before they look again, and give way to the system while they wait. So during a submission the pool's
//! other threads look out for a piece of work that is put right into their hands; where none is looking, rayon forks.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::Duration;

use crate::platform::now;

/// How long a thread looks out before it goes back to rayon, and there to sleep: longer than the longest piece of a small
/// network's step that one thread does alone.
const PATIENCE: Duration = Duration::from_micros(100);
/// Looks into its hands between two looks into rayon's queues, a fraction of a microsecond.
const LOOKS: usize = 64;
/// Looks at another thread's work before a waiting thread does something else, some 20 microseconds.
const WAITS: usize = 2_000;

/// The fewest steps for which all threads are woken.
const WORTH_A_TEAM: usize = 8;

thread_local! {
    /// The team of the submission that this thread works on, or null.
    static TEAM: Cell<*const Team> = const { Cell::new(null()) };
    /// How many threads the replica on this one may fork onto; 0 for all, or [`ALONE`].
    static WIDTH: Cell<usize> = const { Cell::new(0) };
}

/// The width of a replica that has one thread for itself, and those of the team that have run out of work.
const ALONE: usize = usize::MAX;

/// Hands each replica with its number to `body`, which takes it through a submission of so many steps. While there are as
/// many replicas as threads each stays on one of them, until others run out of work; those that are left share the threads.
pub(crate) fn side_by_side<R: Send>(replicas: &mut [R], steps: usize, body: &(impl Fn(usize, &mut R) + Sync)) {
    let threads = rayon::current_num_threads();
    let (alone, sharing) = replicas.split_at_mut(replicas.len() / threads * threads);
    let (count, width) = (alone.len(), threads.div_ceil(sharing.len().max(1)));
    for (replicas, first, width) in [(alone, 0, ALONE), (sharing, count, width)] {
        if !replicas.is_empty() {
            in_pool(steps, || each(replicas, first, &|r, replica| within(width, || body(r, replica))));
        }
    }
}

/// Hands things to `body`, in parallel, the first of them with number `first`.
fn each<R: Send>(things: &mut [R], first: usize, body: &(impl Fn(usize, &mut R) + Sync)) {
    if let [thing] = things {
        return body(first, thing);
    }
    let half = things.len() / 2;
    let (own, others) = things.split_at_mut(half);
    join(|| each(own, first, body), || each(others, first + half, body));
}

/// Runs `work`, which may fork onto so many threads.
pub(crate) fn within(width: usize, work: impl FnOnce()) {
    /// Puts back the width from before, after a panic too.
    struct Leave(usize);
    impl Drop for Leave {
        fn drop(&mut self) {
            WIDTH.set(self.0);
        }
    }
    let _leave = Leave(WIDTH.replace(width));
    work();
}

/// How many threads the work on this one may fork onto.
pub(crate) fn width() -> usize {
    match WIDTH.get() {
        0 => rayon::current_num_threads(),
        ALONE => 1 + team().map_or(0, Team::free),
        width => width,
    }
}

/// The team of the submission that this thread works on, if there is one.
fn team<'a>() -> Option<&'a Team> {
    // SAFETY: `enter` keeps the team while the pointer is there, and what is got here is used at once.
    unsafe { TEAM.get().as_ref() }
}

/// Runs `work`, a submission of so many steps, on a thread of the pool: operations fork from there by [`join`], where the
/// caller's thread would hand each of them over and wait to be woken.
fn in_pool(steps: usize, work: impl FnOnce() + Send) {
    if steps < WORTH_A_TEAM {
        return rayon::scope(|_| work());
    }
    let team = Team::new(rayon::current_num_threads());
    rayon::scope(|scope| {
        let (own, team) = (rayon::current_thread_index(), &team);
        scope.spawn_broadcast(move |_, thread| {
            if Some(thread.index()) != own {
                team.enter(|| team.look_out(thread.index()));
            }
        });
        // Were it to panic, the others would still run out of patience.
        team.enter(work);
        team.done.store(true, Ordering::Relaxed);
    });
}

/// Runs both, `second` on another thread where one is free and this work may fork.
pub(crate) fn join<B: FnOnce() + Send>(first: impl FnOnce() + Send, second: B) {
    if width() == 1 {
        first();
        return second();
    }
    let work = Work::new(second);
    // A pointer to the whole, of which the job is the first part.
    let handed = team().is_some_and(|team| team.hand_over(std::ptr::from_ref(&work).cast()));
    if !handed {
        match work.body.into_inner() {
            // The others have found work in the meantime.
            Some(second) if WIDTH.get() == ALONE => {
                first();
                second();
            }
            Some(second) => _ = rayon::join(first, second),
            None => {}
        }
        return;
    }
    // Even if this panics, the work must not go before its thread is done with it.
    let result = catch_unwind(AssertUnwindSafe(first));
    work.job.wait();
    if let Err(panic) = result {
        resume_unwind(panic);
    }
    if let Some(panic) = work.panic.into_inner() {
        resume_unwind(panic);
    }
}

/// What a thread is handed: it lies on the stack of the thread that waits for it.
struct Job {
    /// Takes this job.
    run: unsafe fn(*const Job),
    done: AtomicBool,
}

impl Job {
    fn wait(&self) {
        let mut looks = 0;
        while !self.done.load(Ordering::Acquire) {
            looks += 1;
            if looks % WAITS == 0 {
                // What is done here may be what the other thread waits for: a part of another submission.
                if rayon::yield_local() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// A job and what it runs.
#[repr(C)]
struct Work<B> {
    /// First, so that its address is that of the whole.
    job: Job,
    body: UnsafeCell<Option<B>>,
    panic: UnsafeCell<Option<Box<dyn Any + Send>>>,
}

impl<B: FnOnce() + Send> Work<B> {
    fn new(body: B) -> Self {
        let job = Job { run: Self::run, done: AtomicBool::new(false) };
        Self { job, body: UnsafeCell::new(Some(body)), panic: UnsafeCell::new(None) }
    }

    /// # Safety
    /// `job` is that of a `Work<B>` whose owner waits until it is done and touches nothing else of it before; called once.
    unsafe fn run(job: *const Job) {
        // SAFETY: as the caller promises: until `done` is stored, this thread alone has the work.
        let work = unsafe { &*job.cast::<Self>() };
        // SAFETY: the same.
        let (body, panic) = unsafe { (&mut *work.body.get(), &mut *work.panic.get()) };
        if let Some(body) = body.take() {
            *panic = catch_unwind(AssertUnwindSafe(body)).err();
        }
        work.job.done.store(true, Ordering::Release);
    }
}

/// What a thread has in its hands; on cache lines of its own.
#[repr(align(128))]
struct Hands(AtomicPtr<Job>);

/// In the hands of a thread that looks out; null in those of one that does not.
const FREE: *mut Job = without_provenance_mut(1);

/// The threads of one submission.
struct Team {
    /// Of each thread of the pool.
    hands: Vec<Hands>,
    /// Whether the submission is.
    done: AtomicBool,
}

impl Team {
    fn new(threads: usize) -> Self {
        let hands = (0..threads).map(|_| Hands(AtomicPtr::new(null_mut()))).collect();
        Self { hands, done: AtomicBool::new(false) }
    }

    /// Runs `work` as one of the team.
    fn enter(&self, work: impl FnOnce()) {
        /// Puts back the team from before, after a panic too.
        struct Leave(*const Team);
        impl Drop for Leave {
            fn drop(&mut self) {
                TEAM.set(self.0);
            }
        }
        let _leave = Leave(TEAM.replace(self));
        work();
    }

    /// How many of its threads look out for work.
    fn free(&self) -> usize {
        self.hands.iter().filter(|hands| hands.0.load(Ordering::Relaxed) == FREE).count()
    }

    /// Puts a job into the hands of a thread that looks out, if there is one. It will be run.
    fn hand_over(&self, job: *const Job) -> bool {
        let job = job.cast_mut();
        self.hands.iter().any(|hands| {
            hands.0.load(Ordering::Relaxed) == FREE
                && hands.0.compare_exchange(FREE, job, Ordering::Release, Ordering::Relaxed).is_ok()
        })
    }

    /// Runs what comes into the hands of thread `index` or rayon's queues, until the submission is done or patience out.
    fn look_out(&self, index: usize) {
        let hands = &self.hands[index].0;
        let mut last = now();
        while !self.done.load(Ordering::Relaxed) && last.elapsed() < PATIENCE {
            hands.store(FREE, Ordering::Relaxed);
            let mut looks = 0;
            while hands.load(Ordering::Relaxed) == FREE && !self.done.load(Ordering::Relaxed) && looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
            }
            let job = hands.swap(null_mut(), Ordering::Acquire);
            let worked = if job == FREE {
                rayon::yield_now() == Some(rayon::Yield::Executed)
            } else {
                // SAFETY: it was put there by `hand_over`, whose caller waits for it, and taken out just now.
                unsafe { ((*job).run)(job) };
                true
            };
            if worked {
                last = now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &mut [u64]) {
        match numbers {
            [_] | [] => {}
            _ => {
                let (left, right) = numbers.split_at_mut(numbers.len() / 2);
                join(|| sum(left), || sum(right));
                left[0] += right[0];
            }
        }
    }

    #[test]
    fn forks_within_forks_run_everything_once() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                for len in [1, 2, 3, 1000] {
                    let mut numbers: Vec<u64> = (1..=len).collect();
                    in_pool(WORTH_A_TEAM, || sum(&mut numbers));
                    assert_eq!(numbers[0], len * (len + 1) / 2);
                }
            });
        }
    }

    #[test]
    fn a_fork_without_a_submission_runs() {
        let mut numbers: Vec<u64> = (1..=100).collect();
        sum(&mut numbers);
        assert_eq!(numbers[0], 5050);
    }

    #[test]
    fn submissions_side_by_side_do_not_wait_for_ever() {
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut numbers: Vec<u64> = (1..=64).collect();
                        in_pool(WORTH_A_TEAM, || sum(&mut numbers));
                        assert_eq!(numbers[0], 64 * 65 / 2);
                    }
                });
            }
        });
    }

    #[test]
    fn every_replica_is_worked_on_once_however_many_there_are() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for count in [1, 2, 3, 5, 16, 33] {
                let mut replicas: Vec<(Option<usize>, Vec<u64>)> = vec![(None, (1..=40).collect()); count];
                for steps in [1, WORTH_A_TEAM] {
                    replicas.iter_mut().for_each(|(seen, numbers)| (*seen, *numbers) = (None, (1..=40).collect()));
                    pool.install(|| {
                        side_by_side(&mut replicas, steps, &|r, (seen, numbers)| {
                            assert!(seen.is_none() && (1..=threads).contains(&width()));
                            *seen = Some(r);
                            sum(numbers);
                        });
                    });
                    for (r, (seen, numbers)) in replicas.iter().enumerate() {
                        assert_eq!((*seen, numbers[0]), (Some(r), 820), "{count} on {threads}");
                    }
                }
                assert_eq!(WIDTH.get(), 0);
            }
        }
    }

    /// A thread that waits for a piece of work may be the one that another submission waits for, which has begun on the
    /// thread that has the piece.
    #[test]
    fn a_waiting_thread_takes_part_in_other_submissions() {
        let spin = |micros: u64| {
            let started = now();
            while started.elapsed() < Duration::from_micros(micros) {
                std::hint::spin_loop();
            }
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for _ in 0..150 {
            let forked = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    pool.install(|| {
                        in_pool(WORTH_A_TEAM, || {
                            for _ in 0..6 {
                                spin(30);
                                join(|| {}, || spin(20));
                            }
                            let halves = || {
                                let first = || {
                                    spin(300);
                                    forked.store(true, Ordering::Relaxed);
                                };
                                join(first, || spin(2000));
                            };
                            join(|| spin(5), halves);
                        });
                        forked.store(true, Ordering::Relaxed);
                    });
                });
                while !forked.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                spin(100);
                pool.install(|| in_pool(WORTH_A_TEAM, || spin(100)));
            });
        }
    }

    #[test]
    fn a_panic_on_either_side_comes_out_and_leaves_the_pool_usable() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            for side in [0, 1] {
                let body = |own: usize| assert_ne!(own, side, "side");
                let result = catch_unwind(|| in_pool(WORTH_A_TEAM, || join(|| body(0), || body(1))));
                assert!(result.is_err());
            }
            let mut numbers = vec![1, 2];
            in_pool(WORTH_A_TEAM, || sum(&mut numbers));
            assert_eq!(numbers[0], 3);
        });
    }
}
