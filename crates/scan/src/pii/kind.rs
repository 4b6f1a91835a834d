//! The kinds of values that there are, each with its form and, where it has one, its check digit.

use super::{bank, card, market, person, vat};

/// How much the form alone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing else looks so; words near it are not needed.
    Strong,
    /// Other things can look so; words near it decide.
    Plain,
    /// Digits and nothing else: only a word directly before it will do.
    Weak,
}

/// A value that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Its length in bytes.
    pub(super) len: usize,
    pub(super) shape: Shape,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// What a value is; `match.detector` of a rule file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)+];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

kinds! {
    /// The number of a payment card.
    Pan = "pan",
    /// What a card's magnetic stripe holds.
    Track = "track",
    /// The verification code of a card, three or four digits.
    Cvv = "cvv",
    Iban = "iban",
    /// A routing number of a bank in the USA.
    Aba = "aba",
    Ssn = "ssn",
    Itin = "itin",
    Npi = "npi",
    Sin = "sin",
    Nino = "nino",
    Nhs = "nhs",
    Vat = "vat",
    Mrz = "mrz",
    Email = "email",
    Phone = "phone",
    BirthDate = "birth-date",
    Isin = "isin",
    Cusip = "cusip",
    Sedol = "sedol",
    Figi = "figi",
    Lei = "lei",
    Bic = "bic",
    /// The number of an account at a bank or broker.
    Account = "account",
    /// A name, by its letters; for columns that say so.
    Name = "name",
    /// A number, for columns that say so.
    Amount = "amount",
    /// The name of a column in a file whose data is not looked at.
    ColumnName = "column-name",
}

/// How a value is come upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// By the run of digits in it.
    Run,
    /// By a word near it.
    Word,
    /// Only as a value of a column or key.
    Column,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name() == name)
    }

    pub(super) const fn trigger(self) -> Trigger {
        match self {
            Self::Pan
            | Self::Track
            | Self::Iban
            | Self::Aba
            | Self::Ssn
            | Self::Itin
            | Self::Npi
            | Self::Sin
            | Self::Nhs => Trigger::Run,
            Self::Cvv | Self::Nino | Self::Vat | Self::Mrz | Self::Account => Trigger::Word,
            _ => Trigger::Column,
        }
    }

    /// A run of fewer digits holds none.
    pub(super) const fn least_digits(self) -> usize {
        match self {
            Self::Pan | Self::Track => 13,
            Self::Npi | Self::Nhs => 10,
            _ => 0,
        }
    }

    /// Whether it is found by the run of digits in it.
    pub(crate) fn is_in_runs(self) -> bool {
        self.trigger() == Trigger::Run
    }

    /// Whether a rule of this kind may not stand alone. What is public, or is nothing by itself.
    pub(crate) const fn is_public(self) -> bool {
        matches!(
            self,
            Self::Isin | Self::Cusip | Self::Sedol | Self::Figi | Self::Lei | Self::Bic | Self::Name | Self::Amount
        )
    }

    /// The value of this kind that begins where `rest` does.
    pub(super) fn read(self, rest: &[u8]) -> Option<Reading> {
        match self {
            Self::Pan => card::read(rest),
            Self::Cvv => {
                let len = rest.iter().take(5).take_while(|b| b.is_ascii_digit()).count();
                let filled =
                    rest[..len].iter().all(|b| Some(b) == rest.first()) || matches!(&rest[..len], b"123" | b"1234");
                (matches!(len, 3 | 4) && !filled && ends(rest, len)).then_some(Reading { len, shape: Shape::Plain })
            }
            Self::Iban => bank::read_iban(rest),
            Self::Aba => bank::read_aba(rest),
            Self::Bic => bank::read_bic(rest),
            Self::Account => bank::read_account(rest),
            Self::Ssn => person::read_ssn(rest),
            Self::Itin => person::read_itin(rest),
            Self::Npi => person::read_npi(rest),
            Self::Sin => person::read_sin(rest),
            Self::Nhs => person::read_nhs(rest),
            Self::Nino => person::read_nino(rest),
            Self::Email => person::read_email(rest),
            Self::Phone => person::read_phone(rest),
            Self::BirthDate => person::read_birth_date(rest),
            Self::Name => person::read_name(rest),
            Self::Amount => person::read_amount(rest),
            Self::Isin => market::read_isin(rest),
            Self::Cusip => market::read_cusip(rest),
            Self::Sedol => market::read_sedol(rest),
            Self::Figi => market::read_figi(rest),
            Self::Lei => market::read_lei(rest),
            Self::Vat => read_vat(rest),
            // These are not read from their beginning alone.
            Self::Track | Self::Mrz | Self::ColumnName => None,
        }
    }

    /// Whether all of `value`, blanks around it apart, is one of this kind.
    pub(super) fn is(self, value: &[u8]) -> bool {
        let value = value.trim_ascii();
        self.read(value).is_some_and(|r| r.len == value.len())
    }
}

/// Up to the longest number that a country has; single blanks, dashes and full stops within it do not count.
fn read_vat(rest: &[u8]) -> Option<Reading> {
    if !rest.get(..2)?.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let mut plain = Vec::with_capacity(vat::LONGEST);
    let mut best = None;
    let mut at = 0;
    while plain.len() < vat::LONGEST {
        match rest.get(at) {
            Some(b) if b.is_ascii_uppercase() || b.is_ascii_digit() => plain.push(*b),
            Some(b' ' | b'.' | b'-') if rest.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => break,
        }
        at += 1;
        if ends(rest, at) && vat::is_vat(&plain) {
            best = Some(Reading { len: at, shape: Shape::Plain });
        }
    }
    best
}

/// Whether a value that ends at `at` is whole: neither a letter nor a digit follows, nor a sign with a digit behind it
/// that would make it the first part of something longer.
pub(super) fn ends(rest: &[u8], at: usize) -> bool {
    match rest.get(at) {
        None => true,
        Some(b) if b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80 => false,
        Some(b'.' | b'-') => !rest.get(at + 1).is_some_and(u8::is_ascii_alphanumeric),
        Some(_) => true,
    }
}

/// Whether a value may begin at `at`: the mirror of [`ends`].
pub(super) fn begins(text: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|n| text[n]) else { return true };
    match before {
        // `\n` and `\t` of a string are no letters.
        b'n' | b't' | b'r' => at >= 2 && text[at - 2] == b'\\',
        b if b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80 => false,
        b'.' => at < 2 || !text[at - 2].is_ascii_alphanumeric(),
        // A negative number, or the rest of something longer; but for a list's mark at the beginning of a line.
        b'-' => at < 2 || text[at - 2] == b'\n',
        // A price, an escape, an anchor, a dialling code.
        b'$' | b'%' | b'#' | b'+' | b'&' => false,
        _ => true,
    }
}

/// The letters and digits of a value, which is what is compared with published samples.
pub(super) fn plain(value: &[u8]) -> Vec<u8> {
    value.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_whole_or_none() {
        assert!(Kind::Vat.is(b"DE 136 695 976") && Kind::Vat.is(b"BE 0428.759.497") && !Kind::Vat.is(b"DE136695976x"));
        assert!(Kind::Cvv.is(b"737") && !Kind::Cvv.is(b"123") && !Kind::Cvv.is(b"12345"));
        assert!(
            begins(b"a=4", 2)
                && begins(b"\\n4", 2)
                && !begins(b"n4", 1)
                && !begins(b"0.4", 2)
                && begins(b"- 4", 2)
                && !begins(b"= -4", 3)
        );
        assert_eq!(plain(b"de-12 x"), b"DE12X");
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>, text in "[0-9A-Z .-]{0,40}") {
            for kind in Kind::ALL {
                let _ = (kind.is(&bytes), kind.is(text.as_bytes()));
            }
        }
    }
}
