//! Where the four files of a dataset lie. Nothing is opened here, only looked for.

use crate::hint::Hint;
use crate::{Error, Result};
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The environment variable that names the directory of the built-in datasets.
pub(super) const VARIABLE: &str = "WGRAD_DATA";

/// Beginnings of the four names, with the number of dimensions that is part of the name.
const TRAIN_IMAGES: (&str, u8) = ("train-images", 3);
const TRAIN_LABELS: (&str, u8) = ("train-labels", 1);
const TEST_IMAGES: (&str, u8) = ("t10k-images", 3);
const TEST_LABELS: (&str, u8) = ("t10k-labels", 1);
const PARTS: [(&str, u8); 4] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];

/// A dataset that has a name of its own.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// Where the system's package manager puts it, if it does.
    pub(super) system: Option<&'static str>,
    /// What to do when it is nowhere.
    pub(super) way_out: &'static str,
}

/// The four files of one dataset.
#[derive(Debug, PartialEq)]
pub(super) struct Files {
    pub(super) train_images: PathBuf,
    pub(super) train_labels: PathBuf,
    pub(super) test_images: PathBuf,
    pub(super) test_labels: PathBuf,
}

/// Files, and who chose them.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    pub(super) files: Files,
    /// True where the user named the directory: other content than the original is then meant.
    pub(super) named: bool,
}

/// What messages call a directory that the user names.
const NAMED: &str = "the data directory";

/// Where to look for the built-in datasets, in this order.
pub(super) struct Search<'a> {
    /// What the user names.
    pub(super) data_dir: Option<&'a Path>,
    /// The value of [`VARIABLE`]. A field, so that tests need not change the environment of the whole process.
    pub(super) variable: Option<OsString>,
    /// Directories that may have a `datasets` directory in them.
    pub(super) roots: Vec<PathBuf>,
}

impl<'a> Search<'a> {
    /// Looks where this process runs, where its executable lies, and where wgrad was built.
    pub(super) fn of_process(data_dir: Option<&'a Path>) -> Self {
        let executable = env::current_exe().unwrap_or_default(); // not knowing it only means one place less
        let above = executable.ancestors().skip(1).filter(|a| !a.as_os_str().is_empty()).map(Path::to_path_buf);
        let mut roots = vec![PathBuf::new()]; // the current directory
        roots.extend(above);
        roots.push(env!("CARGO_MANIFEST_DIR").into());
        Self { data_dir, variable: env::var_os(VARIABLE), roots }
    }

    /// The files of a built-in dataset. A directory that the user names is the only one looked at.
    pub(super) fn builtin(&self, dataset: &Builtin, known: &[&str]) -> Result<Place> {
        let variable = self.variable.as_deref().map(Path::new);
        let named = self.data_dir.map(|dir| (NAMED, dir)).or(variable.map(|dir| (VARIABLE, dir)));
        match named {
            Some((source, dir)) => Ok(Place { files: in_named(source, dir, dataset.name, known)?, named: true }),
            None => Ok(Place { files: self.in_usual_places(dataset)?, named: false }),
        }
    }

    fn in_usual_places(&self, dataset: &Builtin) -> Result<Files> {
        let shipped = self.roots.iter().map(|root| root.join("datasets").join(dataset.name));
        let system = dataset.system.map(PathBuf::from);
        let absent = system.clone().unwrap_or_else(|| Path::new("datasets").join(dataset.name));
        match shipped.chain(system).find(|dir| holds_any(dir)) {
            Some(dir) => files_in(&dir),
            None => {
                let way_out = dataset.way_out;
                Err(Error::data(&absent, format!("the dataset is not there; {way_out}")).hinting(Hint::DataDirectory))
            }
        }
    }
}

/// `dir` may be the parent of several datasets, or one dataset.
fn in_named(source: &'static str, dir: &Path, name: &str, known: &[&str]) -> Result<Files> {
    if dir.as_os_str().is_empty() {
        return Err(Error::spec(source, "is empty; name a directory, or leave it out"));
    }
    let inside = dir.join(name);
    if holds_any(&inside) {
        return files_in(&inside);
    }
    // With WGRAD_DATA=.../mnist, asking for fashion-mnist must not train on digits.
    let is_another = known.iter().any(|&other| other != name && dir.file_name().is_some_and(|last| last == other));
    if holds_any(dir) && !is_another {
        return files_in(dir);
    }
    let reason =
        format!("{source} names it, but {name} is neither in it nor in its directory `{name}`; wanted {}", all_names());
    Err(Error::data(dir, reason))
}

/// The four files of the dataset in `dir`.
///
/// # Errors
/// [`Error::Data`] that names those which are missing.
pub(super) fn files_in(dir: &Path) -> Result<Files> {
    let missing: Vec<String> = PARTS.iter().filter(|part| find(dir, part).is_none()).map(wanted).collect();
    let missing = || Error::data(dir, format!("files are missing in this directory: {}", missing.join(", ")));
    let file = |part| find(dir, part).ok_or_else(missing);
    Ok(Files {
        train_images: file(&TRAIN_IMAGES)?,
        train_labels: file(&TRAIN_LABELS)?,
        test_images: file(&TEST_IMAGES)?,
        test_labels: file(&TEST_LABELS)?,
    })
}

/// One file is enough: a dataset with files missing is an error to report, not a reason to look elsewhere.
fn holds_any(dir: &Path) -> bool {
    PARTS.iter().any(|part| find(dir, part).is_some())
}

/// The first of the accepted spellings that is there; unpacked before gzipped.
fn find(dir: &Path, (stem, rank): &(&str, u8)) -> Option<PathBuf> {
    ["-", "."]
        .iter()
        .flat_map(|dash| ["", ".gz"].map(|gz| dir.join(format!("{stem}{dash}idx{rank}-ubyte{gz}"))))
        .find(|path| path.is_file())
}

fn wanted((stem, rank): &(&str, u8)) -> String {
    format!("{stem}-idx{rank}-ubyte[.gz]")
}

fn all_names() -> String {
    PARTS.iter().map(wanted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    const KNOWN: &[&str] = &["digits", "clothes"];
    const DIGITS: Builtin = Builtin { name: "digits", system: None, way_out: "check it out" };

    fn fill(dir: &Path, gz: &str) {
        fs::create_dir_all(dir).unwrap();
        for (stem, rank) in PARTS {
            fs::write(dir.join(format!("{stem}-idx{rank}-ubyte{gz}")), b"").unwrap();
        }
    }

    fn search<'a>(data_dir: Option<&'a Path>, variable: Option<&Path>, root: &Path) -> Search<'a> {
        Search { data_dir, variable: variable.map(Into::into), roots: vec![root.join("nothing"), root.into()] }
    }

    #[test]
    fn argument_comes_before_variable_before_usual_places() {
        let temp = TempDir::new().unwrap();
        let [a, b, root] = ["a", "b", "root"].map(|name| temp.path().join(name));
        fill(&a.join("digits"), ".gz");
        fill(&b, "");
        fill(&root.join("datasets/digits"), "");
        let place = |data_dir, variable| search(data_dir, variable, &root).builtin(&DIGITS, KNOWN).unwrap();
        let (both, variable, none) = (place(Some(&a), Some(&b)), place(None, Some(&b)), place(None, None));
        assert_eq!(both.files.train_images, a.join("digits/train-images-idx3-ubyte.gz"));
        assert_eq!(variable.files.test_labels, b.join("t10k-labels-idx1-ubyte"));
        assert_eq!(none.files.test_images, root.join("datasets/digits/t10k-images-idx3-ubyte"));
        assert_eq!([both.named, variable.named, none.named], [true, true, false]);
    }

    #[test]
    fn a_named_directory_without_the_files_is_an_error_and_not_passed_over() {
        let temp = TempDir::new().unwrap();
        let (empty, root) = (temp.path().join("empty"), temp.path().join("root"));
        fill(&root.join("datasets/digits"), "");
        for (data_dir, variable, source) in [(Some(&*empty), None, NAMED), (None, Some(&*empty), VARIABLE)] {
            let error = search(data_dir, variable, &root).builtin(&DIGITS, KNOWN).unwrap_err().to_string();
            for part in [source, &empty.display().to_string(), "train-images-idx3-ubyte[.gz]", "t10k-labels"] {
                assert!(error.contains(part), "`{part}` is missing in: {error}");
            }
        }
    }

    #[test]
    fn an_empty_name_is_a_usage_error() {
        let root = Path::new("/nonexistent");
        let error = search(None, Some(Path::new("")), root).builtin(&DIGITS, KNOWN).unwrap_err();
        assert!(error.is_usage() && error.to_string().starts_with(VARIABLE), "{error}");
    }

    #[test]
    fn a_directory_of_another_known_dataset_is_not_taken() {
        let temp = TempDir::new().unwrap();
        let clothes = temp.path().join("clothes");
        fill(&clothes, "");
        let error = search(Some(&clothes), None, temp.path()).builtin(&DIGITS, KNOWN).unwrap_err();
        assert!(error.to_string().contains("digits is neither"), "{error}");
    }

    #[test]
    fn the_system_place_is_the_last_one_and_its_absence_names_the_way_out() {
        let temp = TempDir::new().unwrap();
        let system = temp.path().join("system");
        let leaked: &'static str = Box::leak(system.display().to_string().into_boxed_str());
        let dataset = Builtin { system: Some(leaked), ..DIGITS };
        let find = || search(None, None, temp.path()).builtin(&dataset, KNOWN);
        let error = find().unwrap_err().to_string();
        assert!(error.starts_with(leaked) && error.contains("check it out") && error.contains(VARIABLE), "{error}");
        fill(&system, ".gz");
        assert_eq!(find().unwrap().files.train_labels, system.join("train-labels-idx1-ubyte.gz"));
        fill(&temp.path().join("datasets/digits"), "");
        assert!(find().unwrap().files.train_labels.starts_with(temp.path().join("datasets")));
    }

    #[test]
    fn missing_files_are_named() {
        let temp = TempDir::new().unwrap();
        fill(temp.path(), ".gz");
        fs::remove_file(temp.path().join("t10k-images-idx3-ubyte.gz")).unwrap();
        let error = files_in(temp.path()).unwrap_err().to_string();
        assert!(error.contains("t10k-images-idx3-ubyte[.gz]") && !error.contains("train"), "{error}");
    }

    #[test]
    fn the_dotted_spelling_is_found() {
        let temp = TempDir::new().unwrap();
        fill(temp.path(), "");
        let dotted = temp.path().join("train-images.idx3-ubyte");
        fs::rename(temp.path().join("train-images-idx3-ubyte"), &dotted).unwrap();
        assert_eq!(files_in(temp.path()).unwrap().train_images, dotted);
    }
}
