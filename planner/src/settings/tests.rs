//! Flags judged all at once.

use clap::Parser;
use secrecy::ExposeSecret as _;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    run: RunArgs,
}

fn judge(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let flags = Flags::try_parse_from([&["test"], flags].concat()).unwrap();
    let variable = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_string())
    };
    Settings::judge(&flags.run, variable, "planner-x")
        .map_err(|errors| errors.to_string().lines().map(str::to_owned).collect())
}

const GOOD: [&str; 4] = ["--base-url", "http://127.0.0.1:1/v1/", "--model", "m"];
const KEY: [(&str, &str); 1] = [(API_KEY_VARIABLE, "k")];

#[test]
fn flags_become_settings() {
    let settings = judge(&GOOD, &KEY).unwrap();
    assert_eq!(settings.model.base_url, "http://127.0.0.1:1/v1");
    assert_eq!(settings.model.api_key.expose_secret(), "k");
    assert_eq!(settings.model.temperature, None);
    assert_eq!(settings.work.debounce, Duration::from_millis(100));
    assert_eq!(settings.work.max_concurrent, 8);
    assert_eq!(settings.work.ask.request_timeout, Duration::from_secs(60));
    assert_eq!(settings.work.ask.planner, "planner-x");
    assert_eq!(settings.scheduler.url(), "http://127.0.0.1:50051");
}

#[test]
fn everything_that_is_missing_is_told_at_once_one_line_each() {
    let told = judge(&[], &[]).unwrap_err();
    let flags: Vec<_> = told
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(flag, _)| flag)
        .collect();
    assert_eq!(flags, ["--base-url", "--model", "--api-key-env"]);
    assert!(told[2].contains(API_KEY_VARIABLE), "{}", told[2]);
}

#[test]
fn a_key_can_be_in_another_variable() {
    let flags = [&GOOD[..], &["--api-key-env", "MY_KEY"]].concat();
    assert!(judge(&flags, &KEY).is_err());
    assert_eq!(
        judge(&flags, &[("MY_KEY", " mine\n")])
            .unwrap()
            .model
            .api_key
            .expose_secret(),
        "mine"
    );
}

#[test]
fn a_key_is_never_quoted() {
    let told = judge(&GOOD, &[(API_KEY_VARIABLE, "sk-\u{7}secret")]).unwrap_err();
    assert!(
        told[0].contains("no HTTP header can carry") && !told[0].contains("secret"),
        "{told:?}"
    );
    assert!(!format!("{:?}", judge(&GOOD, &[(API_KEY_VARIABLE, "sk-secret")]).unwrap()).contains("sk-secret"));
}

#[test]
fn each_value_has_its_bounds() {
    let cases = [
        ["--scheduler", "ftp://scheduler:1"],
        ["--token-file", "/nowhere/token"],
        ["--ca", "/nowhere/ca.pem"],
        ["--client-cert", "/nowhere/cert.pem"],
        ["--scheduler", "scheduler"],
        ["--base-url", "ftp://host/v1"],
        ["--base-url", "http://user@host/v1"],
        ["--base-url", "http://host/v1?key=1"],
        ["--temperature", "3"],
        ["--request-timeout", "0s"],
        ["--debounce", "soon"],
        ["--debounce", "2m"],
        ["--max-concurrent", "0"],
        ["--max-prompt-chars", "1"],
        ["--name", ""],
        ["--input-price", "cheap"],
        ["--input-price", "1"],
    ];
    for flags in cases {
        let base: Vec<&str> = if flags[0] == "--base-url" {
            GOOD[2..].to_vec()
        } else {
            GOOD.to_vec()
        };
        let told = judge(&[&base[..], &flags].concat(), &KEY).unwrap_err();
        assert!(told.len() == 1 && told[0].starts_with(flags[0]), "{flags:?}: {told:?}");
    }
}

#[test]
fn prices_come_in_pairs() {
    let flags = [&GOOD[..], &["--input-price", "0.4", "--output-price", "1.6"]].concat();
    let prices = ask::Prices {
        input: 0.4,
        output: 1.6,
    };
    assert_eq!(judge(&flags, &KEY).unwrap().work.ask.prices, Some(prices));
    assert_eq!(judge(&GOOD, &KEY).unwrap().work.ask.prices, None);
}

#[test]
fn no_debounce_is_a_choice() {
    let flags = [&GOOD[..], &["--debounce", "0s"]].concat();
    assert_eq!(judge(&flags, &KEY).unwrap().work.debounce, Duration::ZERO);
}

#[test]
fn a_token_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let folder = std::env::temp_dir().join(format!("baton-planner-token-{}", std::process::id()));
    std::fs::write(&folder, "from-file\n").expect("a file");
    let path = folder.display().to_string();
    let from_file = [&GOOD[..], &["--token-file", &path]].concat();
    for (flags, text) in [(&GOOD[..], "from-variable"), (&from_file, "from-file")] {
        let variables = [KEY[0], (TOKEN_VARIABLE, " from-variable\n")];
        let settings = judge(flags, &variables).expect("no mistake");
        assert!(settings.scheduler.has_token());
        assert!(!format!("{settings:?}").contains(text), "{settings:?}");
    }
    std::fs::remove_file(&folder).expect("the file is removed");
    let told = judge(&GOOD, &[KEY[0], (TOKEN_VARIABLE, "se\u{7}cret")]).expect_err("no header");
    assert!(
        told.len() == 1 && told[0].starts_with("--token-env: ") && !told[0].contains("cret"),
        "{told:?}"
    );
    assert!(!judge(&GOOD, &KEY).expect("no mistake").scheduler.has_token());
}

#[test]
fn tls_needs_https_and_a_certificate_its_key() {
    let table = [
        (&["--ca", "Cargo.toml"][..], "--scheduler"),
        (
            &["--scheduler", "https://s:1", "--client-cert", "Cargo.toml"],
            "--client-key",
        ),
        (
            &["--scheduler", "https://s:1", "--client-key", "Cargo.toml"],
            "--client-cert",
        ),
    ];
    for (flags, wrong) in table {
        let told = judge(&[&GOOD[..], flags].concat(), &KEY).expect_err("must be refused");
        assert!(told.len() == 1 && told[0].starts_with(wrong), "{flags:?}: {told:?}");
    }
    judge(&[&GOOD[..], &["--scheduler", "https://s:1"]].concat(), &KEY).expect("the system's roots");
}
