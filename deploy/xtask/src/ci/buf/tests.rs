//! Which commit is the reference, in small repositories made for it.

use super::*;

/// A repository with one commit that adds the package's server and one after it.
struct Scratch {
    directory: tempfile::TempDir,
    processes: Processes,
}

impl Scratch {
    fn new() -> Self {
        let scratch = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            processes: Processes::default(),
        };
        scratch.git(&["init", "--quiet"]);
        scratch.commit(FIRST_SERVED_WITH, "first");
        scratch.commit("proto/baton/v1/jobs.proto", "second");
        scratch
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn commit(&self, file: &str, message: &str) {
        let path = self.root().join(file);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, message).expect("written");
        self.git(&["add", "."]);
        self.git(&[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit",
            "--quiet",
            "-m",
            message,
        ]);
    }

    fn git(&self, args: &[&str]) -> String {
        told_in(self.root(), &self.processes, args)
    }

    fn reference(&self) -> Result<String> {
        Repository::at(self.root(), &self.processes).reference()
    }
}

fn told_in(root: &Path, processes: &Processes, args: &[&str]) -> String {
    Repository::at(root, processes).told(args).expect("git succeeds")
}

#[test]
fn before_a_release_it_is_the_first_commit_with_a_server() {
    let scratch = Scratch::new();
    let first = scratch.git(&["rev-parse", "HEAD~1"]);
    assert_eq!(scratch.reference().expect("found"), first);
}

#[test]
fn a_release_is_the_reference_and_other_tags_are_not() {
    let scratch = Scratch::new();
    scratch.git(&["tag", "v0.1.0", "HEAD~1"]);
    scratch.git(&["tag", "before-the-weekend"]);
    assert_eq!(scratch.reference().expect("found"), "v0.1.0");
}

#[test]
fn a_shallow_clone_says_what_it_lacks() {
    let scratch = Scratch::new();
    let clone = scratch.root().join("clone");
    let from = format!("file://{}", scratch.root().display());
    scratch.git(&["clone", "--quiet", "--depth", "1", &from, "clone"]);
    let error = Repository::at(&clone, &scratch.processes)
        .reference()
        .expect_err("the first commit is not there");
    assert!(error.to_string().contains("git fetch --unshallow --tags"), "{error}");
}

#[test]
fn files_without_a_repository_are_told_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let error = Repository::at(directory.path(), &Processes::default())
        .reference()
        .expect_err("no history");
    assert!(error.to_string().contains("needs a clone with history"), "{error}");
}
