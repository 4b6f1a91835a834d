//! The interpreter reports errors as one block of text with the source line quoted; we want place and message apart.

use countersign_model::Place;

/// The longest message kept, in characters; a policy may put any text into an error.
const MAX_MESSAGE: usize = 400;

/// Splits `--> file:line:column`, the quoted source and `error: message` into place and message.
/// Text of any other shape is a message without a place.
pub(super) fn split(text: &str) -> (Option<Place>, String) {
    let place = text.lines().find_map(|line| place(line.trim_start().strip_prefix("--> ")?));
    let message = match text.rsplit_once("error: ") {
        Some((_, message)) if place.is_some() => message,
        _ => text,
    };
    let message = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
    (place, message.chars().take(MAX_MESSAGE).collect())
}

fn place(text: &str) -> Option<Place> {
    let (rest, column) = text.trim_end().rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some(Place { file: file.to_owned(), line: Some(line.parse().ok()?), column: Some(column.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn place_and_message_are_told_apart() {
        let (place, message) = split("\n--> gates/build.rego:3:7\n  |\n3 | deny {\n  |      ^\nerror: expecting `if`");
        assert_eq!(place.map(|p| p.to_string()).as_deref(), Some("gates/build.rego:3:7"));
        assert_eq!(message, "expecting `if`");
        assert_eq!(split("not a span"), (None, "not a span".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_has_a_message(text: String) {
            prop_assert!(!split(&text).1.is_empty());
        }
    }
}
