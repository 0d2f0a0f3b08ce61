//! Every kernel variant at every size, on the adapter of the tests.

use crate::verify::{VerifyOptions, test_gpu, verify};

#[test]
fn every_kernel_variant_agrees_with_the_oracle() {
    let gpu = test_gpu().unwrap();
    let mut failed = Vec::new();
    let summary = verify(&gpu, &VerifyOptions { seed: 1, ..Default::default() }, &mut |row| {
        if !row.passed() {
            failed.push(row.clone());
        }
    })
    .unwrap();
    assert!(summary.passed(), "{failed:#?}");
}
