//! `providers.aws.sign_req`: AWS Signature Version 4 of an HTTP request, from its arguments only.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::value::Object;
use ring::{digest, hmac};

use super::args::{fault, get, get_str, object, to_json, wrong};
use super::hash::to_hex;
use super::{Builtin, Fault};

pub(super) const FAMILY: &[Builtin] = &[Builtin { name: "providers.aws.sign_req", arity: 3, call: |args| sign(args) }];

/// Headers that a proxy may change on the way.
const UNSIGNED: [&str; 3] = ["authorization", "user-agent", "x-amzn-trace-id"];

const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The members of a request, as `http.send` has them.
const MEMBERS: [&str; 28] = [
    "method",
    "url",
    "body",
    "raw_body",
    "headers",
    "enable_redirect",
    "force_json_decode",
    "force_yaml_decode",
    "tls_use_system_certs",
    "tls_ca_cert",
    "tls_ca_cert_file",
    "tls_ca_cert_env_variable",
    "tls_client_cert",
    "tls_client_cert_file",
    "tls_client_cert_env_variable",
    "tls_client_key",
    "tls_client_key_file",
    "tls_client_key_env_variable",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "timeout",
    "cache",
    "force_cache",
    "force_cache_duration_seconds",
    "raise_error",
    "caching_mode",
    "max_retry_attempts",
    "cache_ignored_headers",
];

fn required<'a>(object: &'a Object, name: &str, what: &str) -> Result<&'a str, Fault> {
    match get(object, name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(fault(format!("invalid values for required {what} parameters(s): `{name}`"))),
        None => Err(fault(format!("missing required {what} parameters(s): `{name}`"))),
    }
}

/// Host, path and query of a URL, as they are written.
fn split(url: &str) -> Result<(&str, &str, &str), Fault> {
    let (_, rest) = url.split_once("://").ok_or_else(|| fault("the URL has no scheme"))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    Ok((authority.rsplit('@').next().unwrap_or_default(), path, query))
}

/// `20151228T140825Z`. Years as RFC 3339 has them.
fn timestamp(ns: i64) -> Result<String, Fault> {
    let (days, second) =
        (ns.div_euclid(1_000_000_000).div_euclid(86_400), ns.div_euclid(1_000_000_000).rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is the last of its year.
    let day = days + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day + 2) / 153;
    let day = day - (153 * month_from_march + 2) / 5 + 1;
    let (month, carry) = if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + carry;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Ok(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
}

fn sha256(bytes: &[u8]) -> String {
    to_hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sign(args: &[Value]) -> Result<Value, Fault> {
    let (request, config) = (object(args, 0)?, object(args, 1)?);
    let [access, secret, service, region] = ["aws_access_key", "aws_secret_access_key", "aws_service", "aws_region"]
        .map(|n| required(config, n, "AWS config"));
    let (access, secret, service, region) = (access?, secret?, service?, region?);
    let time = match args.get(2) {
        Some(Value::Number(ns)) => ns
            .as_i64()
            .filter(|ns| *ns >= 0)
            .ok_or_else(|| fault("could not convert time_ns value into a unix timestamp"))?,
        _ => return Err(wrong(args, 2, "number")),
    };
    if let Some(key) = request.iter_sorted().map(|(k, _)| k).find(|k| !MEMBERS.iter().any(|m| **k == Value::from(*m))) {
        return Err(fault(format!("invalid request parameters(s): {key}")));
    }
    let (method, url) = (required(request, "method", "request")?, required(request, "url", "request")?);
    let unsigned_payload = match get(config, "disable_payload_signing") {
        None => false,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return Err(fault("invalid value for 'disable_payload_signing' in AWS config")),
    };
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    match get(request, "headers") {
        None => {}
        Some(Value::Object(given)) => {
            for (name, value) in given.iter() {
                let text = |v: &Value| if let Value::String(text) = v { text.to_string() } else { String::new() };
                headers.insert(text(name), text(value));
            }
        }
        Some(_) => return Err(fault("the headers must be an object")),
    }
    let body = match (get(request, "raw_body"), get(request, "body")) {
        (Some(_), _) => get_str(request, "raw_body").unwrap_or_default().to_owned(),
        (None, Some(body)) => to_json(body)?,
        (None, None) => String::new(),
    };
    let payload = if unsigned_payload { UNSIGNED_PAYLOAD.to_owned() } else { sha256(body.as_bytes()) };
    let (host, path, query) = split(url)?;
    let stamp = timestamp(time)?;
    let day = stamp.get(..stamp.len() - 8).unwrap_or_default();

    let mut added = BTreeMap::from([("host", host.to_owned()), ("x-amz-date", stamp.clone())]);
    // Only these services ask for it; where the payload is not signed it says so.
    if matches!(service, "s3" | "glacier") || unsigned_payload {
        added.insert("x-amz-content-sha256", payload.clone());
    }
    if let Some(token) = get_str(config, "aws_session_token").filter(|t| !t.is_empty()) {
        added.insert("x-amz-security-token", token.to_owned());
    }
    let mut signed: BTreeMap<String, &str> = added.iter().map(|(k, v)| ((*k).to_owned(), v.as_str())).collect();
    for (name, value) in &headers {
        let name = name.to_lowercase();
        if !UNSIGNED.contains(&name.as_str()) {
            signed.insert(name, value);
        }
    }
    let names = signed.keys().map(String::as_str).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(k, v)| format!("{k}:{v}\n")).collect();
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = [day, region, service, "aws4_request"]
        .into_iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, text| mac(&key, text));
    let signature = to_hex(&mac(&key, &to_sign));

    headers.insert(
        "Authorization".to_owned(),
        format!("AWS4-HMAC-SHA256 Credential={access}/{scope},SignedHeaders={names},Signature={signature}"),
    );
    headers.extend(added.into_iter().map(|(k, v)| (k.to_owned(), v)));
    let headers: Object = headers.into_iter().map(|(k, v)| (Value::from(k), Value::from(v))).collect();
    let mut answer = request.clone();
    answer.insert(Value::from("headers"), headers.into_value());
    Ok(answer.into_value())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, json};
    use super::*;

    /// `get-vanilla` and `get-vanilla-query` of the test suite that AWS publishes for Signature Version 4.
    #[test]
    fn the_test_suite_of_aws() {
        let config = json(
            r#"{"aws_access_key": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                "aws_service": "service", "aws_region": "us-east-1"}"#,
        );
        let request = json(r#"{"method": "GET", "url": "https://example.amazonaws.com/"}"#);
        let time = Value::from(1_440_938_160_000_000_000i64);
        let signed = call("providers.aws.sign_req", &[request, config, time]).unwrap();
        assert_eq!(
            signed["headers"]["Authorization"],
            Value::from(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,\
                 SignedHeaders=host;x-amz-date,\
                 Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            )
        );
        assert_eq!(signed["headers"]["x-amz-date"], Value::from("20150830T123600Z"));
    }

    #[test]
    fn every_time_has_a_date() {
        assert_eq!(timestamp(0).unwrap(), "19700101T000000Z");
        assert_eq!(timestamp(-1).unwrap(), "19691231T235959Z");
        assert_eq!(timestamp(951_782_400_000_000_000).unwrap(), "20000229T000000Z");
        assert_eq!(timestamp(i64::MAX).unwrap(), "22620411T234716Z");
        assert_eq!(timestamp(i64::MIN).unwrap(), "16770921T001243Z");
    }
}
