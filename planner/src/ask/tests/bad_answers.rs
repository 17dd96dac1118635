//! Every way in which a text can be no answer: a verdict each, on record with what came, and nothing submitted.

use super::*;

/// A sound answer with this assessment.
fn assessed(assessment: &str) -> String {
    serde_json::json!({ "assessment": assessment, "steps": [], "hints": [], "review_after_s": 120 }).to_string()
}

#[tokio::test]
async fn every_text_that_is_no_answer_has_its_verdict() {
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: [(&str, String, &str); 13] = [
        ("prose", "I would warm the cache first.".to_owned(), "not-json"),
        (
            "another language",
            "Zuerst würde ich den Cache füllen.".to_owned(),
            "not-json",
        ),
        ("another script", "まずキャッシュを温めます。".to_owned(), "not-json"),
        (
            "within a fence",
            format!("```json\n{}\n```", assessed("fine")),
            "not-json",
        ),
        ("cut off", assessed("fine")[..40].to_owned(), "not-json"),
        ("two documents", format!("{0}{0}", assessed("fine")), "not-json"),
        (
            "raw control characters",
            assessed("fine").replace("fine", "\u{1b}[2J\u{7}"),
            "not-json",
        ),
        ("nested without end", nested, "not-json"),
        ("enormous prose", "x".repeat(1_000_000), "not-json"),
        ("another document", r#"{"plan":[]}"#.to_owned(), "schema-violation"),
        ("a list", "[]".to_owned(), "schema-violation"),
        ("escaped control characters", assessed("\u{1b}[2J\u{7}"), "bad-text"),
        ("an enormous text", assessed(&"x".repeat(100_000)), "bad-text"),
    ];
    for (what, text, verdict) in cases {
        let mut scene = scene(vec![Ok(text.clone()), Ok(text.clone())]);
        assert_eq!(
            health(&scene.ask().await),
            ModelHealth::Failing(Failure::Ordinary),
            "{what}"
        );
        let failed = scene.failed();
        assert_eq!(failed.verdict, verdict, "{what}: {}", failed.detail);
        assert!(failed.detail.chars().count() <= 4_000, "{what}");
        let raw = failed.call.unwrap().raw_answer;
        assert!(
            raw.len() <= 64 * 1_024 && text.starts_with(&raw),
            "{what}: as it came, capped"
        );
    }
}

#[tokio::test]
async fn a_sound_answer_may_be_in_any_language() {
    for assessment in ["Die Seiten sind langsam.", "ページが遅い。", "الصفحات بطيئة 🚀"] {
        let mut scene = scene(vec![Ok(assessed(assessment))]);
        assert_eq!(health(&scene.ask().await), ModelHealth::Healthy);
        assert_eq!(scene.submitted().rationale, assessment);
    }
}

#[tokio::test]
async fn nul_characters_are_bad_text_and_do_not_reach_the_record() {
    let text = assessed("a\0b");
    let mut scene = scene(vec![Ok(text.clone()), Ok(format!("{text}\0"))]);
    scene.ask().await;
    let failed = scene.failed();
    assert_eq!(failed.verdict, "not-json");
    assert!(!failed.call.unwrap().raw_answer.contains('\0'));
    assert!(!failed.detail.contains('\0'));
}
