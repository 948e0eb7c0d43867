//! The difference between two values, by lines of their `Debug` forms.

use std::fmt::{Debug, Write};

use super::code;

/// Longer texts are not compared line by line.
const MOST_LINES: usize = 2000;

/// Returns the differing lines with some context, marked `-` for `old` and `+` for `new`.
pub(super) fn diff(old: &impl Debug, new: &impl Debug) -> String {
    let (old, new) = (code::with_numbers(format!("{old:#?}")), code::with_numbers(format!("{new:#?}")));
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    if old.len().max(new.len()) > MOST_LINES {
        return format!("-{}\n+{}\n", old.join("\n "), new.join("\n "));
    }
    let lines = aligned(&old, &new);
    let near = |index: usize| {
        lines[index.saturating_sub(3)..(index + 4).min(lines.len())].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut text = String::new();
    let mut skipped = false;
    for (index, (mark, line)) in lines.iter().enumerate() {
        if near(index) {
            let _ = writeln!(text, "    {mark} {line}");
        } else if !skipped {
            text.push_str("      ...\n");
        }
        skipped = !near(index);
    }
    text
}

/// Marks each line as one of both, of the old or of the new, by their longest common subsequence.
fn aligned<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = new.len() + 1;
    // How many lines are common to what is left from each pair of places.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn lines_of_one_side_are_marked() {
        let text = diff(&vec![1, 2, 3], &vec![1, 4, 3]);
        assert_eq!(text, "      [\n          1,\n    -     2,\n    +     4,\n          3,\n      ]\n");
    }

    #[test]
    fn equal_lines_far_away_are_left_out() {
        let text = diff(&(0..100).collect::<Vec<_>>(), &(1..100).collect::<Vec<_>>());
        assert!(text.contains("-     0,") && text.contains("...") && !text.contains("50"), "{text}");
    }
}
