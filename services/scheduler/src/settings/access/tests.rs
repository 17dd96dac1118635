//! Which flags go together, and what each mistake says.

use std::path::PathBuf;

use clap::Parser;
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    access: AccessArgs,
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().expect("a temporary folder"));
        for name in ["cert.pem", "key.pem", "ca.pem"] {
            files.write(name, name);
        }
        files
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).expect("a file is written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `@NAME` in an argument stands for the path of a file.
    fn judge(&self, listen: &str, arguments: &[&str]) -> Result<AccessSettings, String> {
        let folder = format!("{}/", self.0.path().display());
        let line = arguments.iter().map(|argument| argument.replace('@', &folder));
        let args = Cli::parse_from(std::iter::once("baton-scheduler".to_owned()).chain(line)).access;
        let mut errors = ConfigErrors::new();
        let judged = AccessSettings::judge(&args, listen.parse().ok(), &mut errors);
        errors.into_result().map_err(|mistakes| mistakes.to_string())?;
        Ok(judged.expect("settings without a mistake"))
    }
}

const LOOPBACK: &str = "127.0.0.1:1";
const ELSEWHERE: &str = "10.0.0.1:1";
const TLS: [&str; 2] = ["--tls-cert=@cert.pem", "--tls-key=@key.pem"];

#[test]
fn without_authentication_only_loopback_is_served() {
    let files = Files::new();
    assert_eq!(
        files.judge(LOOPBACK, &[]).expect("served").authentication,
        Authentication::None
    );
    for arguments in [&[][..], &["--allow-plaintext"], &TLS] {
        let refused = files.judge(ELSEWHERE, arguments).expect_err("must be refused");
        assert!(
            refused.starts_with("--listen: refusing to listen on 10.0.0.1:1"),
            "{refused}"
        );
        assert!(refused.contains("callers are not authenticated"), "{refused}");
    }
}

#[test]
fn tokens_in_clear_text_stay_on_this_machine_unless_told() {
    let files = Files::new();
    files.judge(LOOPBACK, &["--auth=tokens"]).expect("served");
    let refused = files.judge(ELSEWHERE, &["--auth=tokens"]).expect_err("must be refused");
    assert!(refused.contains("clear text"), "{refused}");
    files
        .judge(ELSEWHERE, &["--auth=tokens", "--allow-plaintext"])
        .expect("told");
    files
        .judge(ELSEWHERE, &["--auth=tokens", TLS[0], TLS[1]])
        .expect("nobody can listen in");
}

#[test]
fn certificates_are_mapped_by_a_file() {
    let files = Files::new();
    files.write(
        "names.json",
        r#"{"billing.internal": {"users": ["billing"], "scopes": ["jobs", "runs"]},
            "spiffe://internal/planner": {"users": "all", "scopes": ["planner"]}}"#,
    );
    let mutual = [
        "--auth=tokens",
        TLS[0],
        TLS[1],
        "--tls-client-ca=@ca.pem",
        "--tls-client-names=@names.json",
    ];
    let settings = files.judge(ELSEWHERE, &mutual).expect("no mistake");
    let clients = settings.tls.and_then(|tls| tls.clients).expect("mutual TLS");
    assert_eq!(clients.certificates, b"ca.pem");
    assert!(clients.required);
    let optional = [&mutual[..], &["--tls-client-auth=optional"]].concat();
    let settings = files.judge(ELSEWHERE, &optional).expect("no mistake");
    assert!(!settings.tls.and_then(|tls| tls.clients).expect("mutual TLS").required);
    for (content, mistake) in [
        ("[]", "invalid type"),
        (
            r#"{"a": {"users": ["x"], "scopes": ["root"]}}"#,
            "a: scopes: each must be",
        ),
        (r#"{"a": {"users": "some", "scopes": ["jobs"]}}"#, "a: users: `some`"),
        (
            r#"{"a": {"users": "all", "scopes": ["jobs"]}}"#,
            "a: users: must name exactly one user",
        ),
        (
            r#"{"a": {"users": ["x"], "scopes": ["jobs"], "role": 1}}"#,
            "unknown field",
        ),
    ] {
        files.write("names.json", content);
        let refused = files.judge(ELSEWHERE, &mutual).expect_err(content);
        assert!(refused.starts_with("--tls-client-names: "), "{refused}");
        assert!(refused.contains(mistake), "{refused}");
    }
}

#[test]
fn each_mistake_has_a_line_of_its_own() {
    let files = Files::new();
    files.write("names.json", "{}");
    let table: [(&[&str], &[&str]); 5] = [
        (&["--auth=password"], &["--auth"]),
        (&["--tls-cert=@cert.pem"], &["--tls-key"]),
        (
            &["--tls-key=@nothing.pem", "--tls-client-auth=maybe"],
            &["--tls-client-auth", "--tls-key"],
        ),
        (&["--tls-client-ca=@ca.pem"], &["--tls-client-ca"]),
        (
            &["--tls-client-names=@names.json"],
            &["--tls-client-names", "--tls-client-names"],
        ),
    ];
    for (arguments, flags) in table {
        let refused = files.judge(LOOPBACK, arguments).expect_err("must be refused");
        let seen: Vec<&str> = refused.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(seen, flags, "{refused}");
    }
}
