//! `postern demo --once`: every shipped sample comes to the end that `samples.toml` names, and the program says so.

use super::canary::form_of;
use super::gate::{files_below, postern};
use super::peers;
use std::time::Duration;

#[test]
fn every_sample_of_the_demo_comes_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = postern();
    let output = peers::run(demo.args(["demo", "--once"]).current_dir(folder.path()), b"", Duration::from_secs(90));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{table}\n{errors}");
    let samples: toml::Table = toml::from_str(include_str!("../../src/cli/demo_samples/samples.toml")).unwrap();
    let samples = samples["sample"].as_array().unwrap();
    assert_eq!(samples.len(), 9);
    for sample in samples {
        let shows = sample["shows"].as_str().unwrap();
        assert!(table.contains(shows), "{shows:?} is not in the table\n{table}");
    }
    // The number in the PDF is nowhere in what left or is kept: not in clear, and not in the base64 of a file.
    for file in files_below(folder.path()) {
        let octets = std::fs::read(&file).unwrap();
        for secret in ["2 85 05 75 116 203", "Dossier de Mme Moreau", "rattachement.pdf"] {
            assert_eq!(form_of(secret, &octets), None, "{secret:?} in {}", file.display());
        }
    }
    assert_eq!(form_of("2 85 05 75 116 203", &output.stdout), None, "{table}");
}
