//! What a grant may combine, and what a token looks like.

use super::*;
use crate::fixtures::SeededChance;

fn users(names: &[&str]) -> Reach {
    Reach::Users(names.iter().map(|name| UserId((*name).to_owned())).collect())
}

fn refused(scopes: &[Scope], reach: Reach) -> Vec<String> {
    match Grant::new(scopes.iter().copied().collect(), reach) {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_planner_stands_alone_and_others_belong_to_one_user() {
    use Scope::{Admin, Jobs, Planner, Runs};
    let table: [(&[Scope], Reach, &[&str]); 9] = [
        (&[Jobs], users(&["ada"]), &[]),
        (&[Jobs, Runs, Admin], users(&["ada"]), &[]),
        (&[Planner], users(&["ada", "bob"]), &[]),
        (&[Planner], Reach::All, &[]),
        (&[Planner, Runs], users(&["ada"]), &["scopes"]),
        (&[Jobs], Reach::All, &["users"]),
        (&[Jobs], users(&["ada", "bob"]), &["users"]),
        (&[], users(&[" ada"]), &["scopes", "users"]),
        (&[Planner], users(&[]), &["users"]),
    ];
    for (scopes, reach, fields) in table {
        assert_eq!(refused(scopes, reach.clone()), fields, "{scopes:?} {reach:?}");
    }
}

#[test]
fn a_token_is_read_back_as_minted_and_differs_each_time() {
    let chance = SeededChance::new(7);
    let token = TokenText::mint(&chance);
    let other = TokenText::mint(&chance);
    assert_eq!(TokenText::read(token.expose()), Some(token.clone()));
    assert_eq!(token.expose().len(), 79);
    assert_ne!(token.prefix(), other.prefix());
    assert_ne!(token.digest(), other.digest());
    assert_eq!(token.digest().len(), 64);
    let secret = &token.expose()[token.prefix().len() + 1..];
    assert!(!format!("{token:?}").contains(secret), "{token:?}");
}

#[test]
fn what_cannot_be_a_token_is_not_looked_up() {
    let token = TokenText::mint(&SeededChance::new(7));
    let good = token.expose();
    for bad in [
        String::new(),
        "baton_".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        good.to_uppercase(),
        good.replacen("baton_", "ghp_", 1),
        format!("{}é", &good[..good.len() - 2]),
    ] {
        assert_eq!(TokenText::read(&bad), None, "{bad}");
    }
}

#[test]
fn an_operator_names_a_token_by_id_or_prefix() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert!(matches!(TokenName::read(id), TokenName::Id(found) if found.to_string() == id));
    assert_eq!(
        TokenName::read("baton_0123abcd"),
        TokenName::Prefix("baton_0123abcd".to_owned())
    );
}
