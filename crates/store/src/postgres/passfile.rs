//! Password files as libpq reads them: `host:port:database:user:password`, `*` for any, `\` before `:` and `\`.

use std::path::Path;

use postgres::Config;
use postgres::config::Host;

use super::address::{bad, port, read_text};
use crate::Error;

/// The password for the connection; `None` when no line fits.
pub(super) fn look_up(file: &Path, config: &Config) -> Result<Option<String>, Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let meta = std::fs::metadata(file).map_err(|e| bad(format!("`{}` cannot be read: {e}", file.display())))?;
        if meta.permissions().mode() & 0o077 != 0 {
            let what = format!("others may read the password file; run `chmod 600 {}`", file.display());
            return Err(bad(what));
        }
    }
    let hosts = config.get_hosts();
    let names: Vec<(String, String)> = hosts
        .iter()
        .enumerate()
        .map(|(i, host)| {
            let name = match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(_) => "localhost".to_owned(),
            };
            (name, port(config, i).to_string())
        })
        .collect();
    let (user, dbname) = (config.get_user().unwrap_or_default(), config.get_dbname().unwrap_or_default());
    Ok(read_text(file)?.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [host, port, database, of, password] = fields.as_slice() else { return None };
        let fits = |field: &str, value: &str| field == "*" || field == value;
        let is_it =
            names.iter().any(|(h, p)| fits(host, h) && fits(port, p)) && fits(database, dbname) && fits(of, user);
        is_it.then(|| password.clone())
    }))
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let is_last = fields.len() == 5;
        match (c, fields.last_mut()) {
            (':', _) if !is_last => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(chars.next()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use crate::postgres::Address;

    #[cfg(unix)]
    #[test]
    fn the_first_line_that_fits_has_the_password() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pass");
        std::fs::write(&file, "# x\ndb:*:*:u:no\n127.0.0.1:7:d:u:a\\:b:c\\\\\n*:*:*:*:last\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let password = |at: &str| {
            let address = Address::parse(&format!("postgres://{at}?passfile={}", file.display()), Some("env")).unwrap();
            String::from_utf8(address.config.get_password().unwrap().to_vec()).unwrap()
        };
        assert_eq!(password("u@127.0.0.1:7/d"), "a:b:c\\");
        assert_eq!(password("v@127.0.0.1:7/d"), "last");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Address::parse(&format!("postgres://u@localhost?passfile={}", file.display()), None);
        assert!(refused.unwrap_err().to_string().contains("chmod 600"));
    }
}
