//! Finds similar words.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    word: String,
    candidates: Vec<String>,
    #[serde(default = "default_max_distance")]
    max_distance: u64,
}

fn default_max_distance() -> u64 {
    2
}

#[derive(Serialize)]
struct Output {
    matches: Vec<Match>,
}

#[derive(Serialize)]
struct Match {
    candidate: String,
    distance: u64,
}

/// The Levenshtein distance, over characters.
fn distance(a: &str, b: &str) -> u64 {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<u64> = (0..=b.len() as u64).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i as u64;
        let mut previous = i as u64 + 1;
        let mut next = vec![previous];
        for (above, right) in row.iter().skip(1).zip(&b) {
            let substituted = diagonal + u64::from(left != *right);
            previous = substituted.min(above + 1).min(previous + 1);
            diagonal = *above;
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut matches: Vec<Match> = input
        .candidates
        .into_iter()
        .map(|candidate| Match {
            distance: distance(&input.word, &candidate),
            candidate,
        })
        .filter(|found| found.distance <= input.max_distance)
        .collect();
    matches.sort_by_key(|found| found.distance);
    Ok(Output { matches })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn measures_distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("größe", "grosse"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn lists_the_nearest_first() {
        let input = json!({ "word": "note", "candidates": ["nodes", "notes", "vote", "banana"] });
        assert_eq!(
            call(run, input),
            Ok(json!({ "matches": [
                { "candidate": "notes", "distance": 1 },
                { "candidate": "vote", "distance": 1 },
                { "candidate": "nodes", "distance": 2 },
            ] }))
        );
    }

    #[test]
    fn keeps_to_the_limit() {
        let input = json!({ "word": "a", "candidates": ["a", "b"], "max_distance": 0 });
        assert_eq!(
            call(run, input),
            Ok(json!({ "matches": [{ "candidate": "a", "distance": 0 }] }))
        );
    }

    #[test]
    fn no_candidates_give_no_matches() {
        let input = json!({ "word": "a", "candidates": [] });
        assert_eq!(call(run, input), Ok(json!({ "matches": [] })));
    }
}
