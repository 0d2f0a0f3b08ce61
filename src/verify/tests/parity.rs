//! Every kernel variant at every size, on the adapter of the tests.

use crate::verify::{VerifyOptions, test_gpu, verify};

#[test]
fn every_kernel_variant_agrees_with_the_oracle() {
    let gpu = test_gpu().unwrap();
    let mut failed = Vec::new();
    let start = std::time::Instant::now();
    let summary = verify(&gpu, &VerifyOptions { seed: 1, ..Default::default() }, &mut |row| {
        println!(
            "{:?} {:<24} {:<7} {:<40} {:>3} {:>8} {:.3}",
            start.elapsed(),
            row.kernel,
            row.variant,
            row.what,
            row.cases,
            row.compared,
            row.worst
        );
        if !row.passed() {
            failed.push(row.clone());
        }
    })
    .unwrap();
    assert!(summary.passed(), "{failed:#?}");
}
