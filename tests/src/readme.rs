//! The tutorial of the README: its steps, and what stands in each.

/// The README.
pub const README: &str = include_str!("../../README.md");

/// A step of the tutorial.
#[derive(Debug)]
pub struct Step {
    /// Its number, from 1 on.
    pub number: usize,
    /// What its heading says.
    pub title: String,
    /// Its code, block by block.
    pub code: Vec<String>,
    /// What to type, and what is printed then, block by block.
    pub sessions: Vec<String>,
}

/// Finds the steps: the sections with headings such as `### 1. An event and a state`.
///
/// # Panics
///
/// When they are not numbered from 1 on, or code stands outside of them: nothing would check it.
pub fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_in_step = false;
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            let heading = line.strip_prefix("### ").and_then(|heading| heading.split_once(". "));
            let numbered = heading.and_then(|(number, title)| Some((number.parse::<usize>().ok()?, title)));
            is_in_step = numbered.is_some();
            if let Some((number, title)) = numbered {
                assert_eq!(number, steps.len() + 1, "the steps of README.md are not numbered from 1 on: `{line}`");
                steps.push(Step { number, title: title.to_owned(), code: Vec::new(), sessions: Vec::new() });
            }
        } else if let Some(language) = line.strip_prefix("```") {
            let block: String =
                lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
            match (language, steps.last_mut().filter(|_| is_in_step)) {
                ("rust", Some(step)) => step.code.push(block),
                ("console", Some(step)) => step.sessions.push(block),
                ("sh" | "text" | "toml", _) => {}
                (language, _) => panic!(
                    "nothing checks a block of `{language}` here: put it into a step of the tutorial, or make it `sh` \
                     or `text`:\n{block}"
                ),
            }
        }
    }
    steps
}
