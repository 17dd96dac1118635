//! Reads a Markdown document: in each fenced block marked `console`, a line that begins with `$ ` is a command, and what
//! follows up to the next one is what it prints.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

const PROMPT: &str = "$ ";

/// One command and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Recipe {
    pub line: String,
    pub expected: String,
}

/// Every recipe, in order; at least one.
pub fn read(document: &Path) -> Result<Vec<Recipe>> {
    let text = std::fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let recipes: Vec<Recipe> = console_blocks(&text)
        .iter()
        .flat_map(|block| recipes_in(block))
        .collect();
    ensure!(!recipes.is_empty(), "{} has no console block", document.display());
    Ok(recipes)
}

fn console_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) if &*kind == "console" => {
                open = Some(String::new());
            }
            Event::Text(piece) => {
                if let Some(block) = &mut open {
                    block.push_str(&piece);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// A command goes on in the next line after a backslash.
fn recipes_in(block: &str) -> Vec<Recipe> {
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut goes_on = false;
    for text in block.lines() {
        if let Some(line) = text.strip_prefix(PROMPT) {
            recipes.push(Recipe {
                line: line.to_owned(),
                expected: String::new(),
            });
        } else if let Some(recipe) = recipes.last_mut() {
            let part = if goes_on {
                &mut recipe.line
            } else {
                &mut recipe.expected
            };
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(text);
        }
        let is_command = goes_on || text.starts_with(PROMPT);
        goes_on = is_command && text.ends_with('\\');
    }
    recipes
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
# Title

```console
$ first one
{ \"a\": 1 }
second line
$ next \\
  goes on
printed
```

```sh
$ not this
```
";

    #[test]
    fn commands_and_what_they_print() {
        let blocks = console_blocks(DOCUMENT);
        assert_eq!(blocks.len(), 1);
        let recipe = |line: &str, expected: &str| Recipe {
            line: line.to_owned(),
            expected: expected.to_owned(),
        };
        assert_eq!(
            recipes_in(&blocks[0]),
            [
                recipe("first one", "{ \"a\": 1 }\nsecond line"),
                recipe("next \\\n  goes on", "printed"),
            ]
        );
    }

    #[test]
    fn a_document_without_a_block_is_told_so() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("empty.md");
        std::fs::write(&path, "# Nothing\n").expect("written");
        assert!(read(&path).is_err());
    }
}
