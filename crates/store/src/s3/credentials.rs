//! Who signs requests. Where credentials come from, the caller says; this room reads no environment.

use std::fmt;

use zeroize::Zeroizing;

/// An access key and what belongs to it. Never printed.
#[derive(Clone)]
pub struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: Zeroizing<String>,
    pub(super) session_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials from their parts. The token belongs to temporary ones.
    #[must_use]
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>, session_token: Option<String>) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key: Zeroizing::new(secret_key.into()),
            session_token: session_token.map(Zeroizing::new),
        }
    }

    /// The credentials of `profile` in a shared credentials file (`~/.aws/credentials`): sections in brackets, and in
    /// them `aws_access_key_id`, `aws_secret_access_key` and, for temporary ones, `aws_session_token`. `None` when the
    /// profile is not there or is not whole.
    #[must_use]
    pub fn from_shared_file(text: &str, profile: &str) -> Option<Self> {
        let mut is_inside = false;
        let (mut access, mut secret, mut token) = (None, None, None);
        for line in text.lines().map(str::trim) {
            if line.starts_with('#') || line.starts_with(';') {
                continue;
            }
            if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                is_inside = section.trim() == profile;
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| is_inside) else { continue };
            let value = Some(value.trim().to_owned()).filter(|v| !v.is_empty());
            match key.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => access = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
        Some(Self::new(access?, secret?, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[default]\naws_access_key_id = one\naws_secret_access_key=s=1\n\n[ci]\n\
                        aws_secret_access_key = two\naws_access_key_id = two\naws_session_token = t\nregion = x\n[half]\naws_access_key_id = h\n";

    #[test]
    fn a_profile_of_the_shared_file_is_found() {
        let default = Credentials::from_shared_file(FILE, "default").unwrap();
        assert_eq!((default.access_key.as_str(), default.secret_key.as_str()), ("one", "s=1"));
        assert!(default.session_token.is_none());
        let ci = Credentials::from_shared_file(FILE, "ci").unwrap();
        assert_eq!(ci.session_token.unwrap().as_str(), "t");
        assert!(Credentials::from_shared_file(FILE, "half").is_none());
        assert!(Credentials::from_shared_file(FILE, "nobody").is_none());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let shown = format!("{:?}", Credentials::new("id", "hunter2", Some("hunter3".into())));
        assert!(shown.contains("id") && !shown.contains("hunter"), "{shown}");
    }
}
