//! The long text behind every code of [`super::TokenError`].

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit: Exit::Unverified }
}

/// One explanation for every code of [`super::TokenError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-TOKEN-001",
        "not an identity token",
        "A token is a JWT in compact JWS form: three segments of base64url without padding, of which the first two are JSON \
         objects without a key twice, 16 KiB at most. The JSON form of a JWS, encrypted tokens, and headers that bring a \
         key along (`jwk`, `jku`, `x5c`, `x5u`) or ask for an extension (`crit`) are refused.",
    ),
    explained(
        "CS-TOKEN-002",
        "the algorithm of a token is not accepted",
        "Accepted are signatures by asymmetric keys: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA, and \
         of these the ones that the issuer's entry names. `none` proves nothing, and under `HS256` and its like whoever can \
         verify a token can make one.",
    ),
    explained(
        "CS-TOKEN-003",
        "the keys of an issuer cannot be used",
        "What the issuer publishes, or what was pinned for it, is no JWK set (RFC 7517) of up to 100 keys, or the key that \
         the token names is not for signatures, malformed, an RSA key below 2048 bits, or published with its private half.",
    ),
    explained(
        "CS-TOKEN-004",
        "the issuer has no key of that name",
        "The token names a key that is not in the issuer's set. A set from the cache was fetched once more before this was \
         said. Either the issuer took the key out, or somebody else signed the token and named a key of their own.",
    ),
    explained(
        "CS-TOKEN-005",
        "the token does not name its key",
        "The issuer has several keys, and the token's header has no `kid`. To try them all would leave the choice to whoever \
         made the token.",
    ),
    explained(
        "CS-TOKEN-006",
        "the key is for another algorithm",
        "The algorithm in the token's header is not that of the key that it names: an RSA key and ES256, a curve that does \
         not go with the algorithm, or a key whose own `alg` says otherwise.",
    ),
    explained(
        "CS-TOKEN-007",
        "the signature of a token does not verify",
        "The issuer's key did not sign these bytes: the token was altered, or was made by somebody who does not have the \
         key.",
    ),
    explained(
        "CS-TOKEN-008",
        "the issuer of a token is not trusted",
        "`iss` in the token is no issuer in effect. Issuers are put in effect by the signature of a security officer; a file \
         in the judged commit only proposes.",
    ),
    explained(
        "CS-TOKEN-009",
        "the token is for somebody else",
        "`aud` names nobody whom the issuer's entry names. A token that was made for another service would else be good \
         here, and that service could use it.",
    ),
    explained("CS-TOKEN-010", "the token has expired", "`exp` lies in the past, by more than clocks may differ."),
    explained(
        "CS-TOKEN-011",
        "the token is not valid yet",
        "`nbf` or `iat` lies in the future, by more than clocks may differ.",
    ),
    explained(
        "CS-TOKEN-012",
        "a claim of the token is missing or malformed",
        "A token says who issued it (`iss`), for whom (`aud`), when (`iat`) and until when (`exp`), and these are not \
         further apart than the issuer's tokens live. Claims that the issuer's entry requires must be there with the \
         required value.",
    ),
];
