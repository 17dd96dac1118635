//! Reads scenario files and directories of them, and tells every mistake in any of them at once.
//!
//! A file that is not of the form gives one mistake, with the path inside it; one of the right form gives everything
//! that is wrong with what it says.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use super::{Case, judge::judge};

/// Something wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub file: PathBuf,
    /// Where in the file, such as `truth.must`; empty for the whole.
    pub path: String,
    pub reason: String,
}

impl Mistake {
    fn of_file(file: &Path, reason: impl fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            path: String::new(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// The cases of these files, and of every `*.json` in these directories (not below them), in order of name.
///
/// # Errors
/// Every mistake in any file.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Case>, Vec<Mistake>> {
    let mut cases = Vec::new();
    let mut mistakes = Vec::new();
    for file in files(paths, &mut mistakes) {
        match read(&file) {
            Ok(case) => cases.push(case),
            Err(found) => mistakes.extend(found),
        }
    }
    let mut names = BTreeSet::new();
    for case in cases.iter().filter(|case| !names.insert(case.name.clone())) {
        let file = PathBuf::from(format!("{}.json", case.name));
        mistakes.push(Mistake::of_file(&file, "is there twice: two cases have this name"));
    }
    if cases.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake::of_file(
            paths.first().map_or(Path::new(""), PathBuf::as_path),
            "has no scenario file",
        ));
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    if mistakes.is_empty() { Ok(cases) } else { Err(mistakes) }
}

fn files(paths: &[PathBuf], mistakes: &mut Vec<Mistake>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for path in paths {
        if !path.is_dir() {
            files.insert(path.clone());
            continue;
        }
        match json_files(path) {
            Ok(found) => files.extend(found),
            Err(error) => mistakes.push(Mistake::of_file(path, error)),
        }
    }
    files
}

fn json_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Case, Vec<Mistake>> {
    let text = std::fs::read_to_string(file).map_err(|error| vec![Mistake::of_file(file, error)])?;
    let case = parse(&text).map_err(|(path, reason)| {
        vec![Mistake {
            file: file.to_owned(),
            path,
            reason,
        }]
    })?;
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let found = judge(&case, stem);
    if found.is_empty() {
        return Ok(case);
    }
    let mistake = |(path, reason)| Mistake {
        file: file.to_owned(),
        path,
        reason,
    };
    Err(found.into_iter().map(mistake).collect())
}

/// The case in a text, or where it is not of the form and why.
pub(super) fn parse(text: &str) -> Result<Case, (String, String)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let case: Case = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let path = if matches!(path.as_str(), "." | "?") {
            String::new()
        } else {
            path
        };
        (path, error.inner().to_string())
    })?;
    reader.end().map_err(|error| (String::new(), error.to_string()))?;
    Ok(case)
}
