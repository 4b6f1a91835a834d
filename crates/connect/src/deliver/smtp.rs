//! The way to a mail server: RFC 5321, with STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314), and AUTH (RFC 4954). A connection
//! that stays plain goes to this machine alone.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::notice::Trouble;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use zeroize::Zeroizing;

use super::mail::is_address;
use super::web::blocked;
use super::{Authorities, Guard, Letter, NotTaken};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(60);
/// The longest line of an answer: RFC 5321 §4.5.3.1.5 says 512.
const LONGEST_LINE: usize = 2048;
/// The most lines of an answer.
const MOST_LINES: usize = 100;

/// How a connection is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain at first; nothing but STARTTLS is said before TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Plain, to this machine alone.
    Plain,
}

/// A mail server, and who writes to whom through it.
#[derive(Clone)]
pub struct MailServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub transport: Transport,
    /// The account's name and password.
    pub account: Option<(String, Zeroizing<String>)>,
    /// Which addresses may be reached.
    pub guard: Guard,
    /// Whose certificates are believed.
    pub authorities: Authorities,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer({}:{})", self.host, self.port)
    }
}

impl MailServer {
    /// Whether host, port and the addresses of a letter can be what they are.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, from: &str, to: &[String]) -> Result<(), String> {
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if self.host.is_empty() || self.host.len() > 253 || !self.host.chars().all(is_host) {
            return Err("`host` is no name of a mail server".to_owned());
        }
        if self.port < 1024 && !matches!(self.port, 25 | 465 | 587) {
            return Err(format!("port {} belongs to another service than a mail server", self.port));
        }
        if let Some(odd) = std::iter::once(from).chain(to.iter().map(String::as_str)).find(|a| !is_address(a)) {
            return Err(format!("`{}` is no address of mail that can be used here", odd.escape_debug()));
        }
        if to.is_empty() || to.len() > 100 {
            return Err("a channel has 1 to 100 recipients".to_owned());
        }
        Ok(())
    }

    /// Sends a letter. It is taken when the server has taken it for every recipient.
    ///
    /// # Errors
    /// When it was not. After an answer that begins with 5 it is not tried again by itself.
    pub fn send(&self, letter: &Letter) -> Result<(), NotTaken> {
        self.check(&letter.from, &letter.to).map_err(|what| NotTaken::new(Trouble::Refused, false, what))?;
        let end = Instant::now() + EXCHANGE;
        let stream = self.connect(end)?;
        let name = match stream.local_addr().map(|a| a.ip().to_canonical()) {
            Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
            Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
            Err(_) => "localhost".to_owned(),
        };
        let mut talk = match self.transport {
            Transport::Tls => Talk::new(Wire::Tls(Box::new(self.secure(stream)?)), end, &self.host),
            Transport::StartTls | Transport::Plain => Talk::new(Wire::Plain(stream), end, &self.host),
        };
        talk.expect(&[220])?;
        let mut can = talk.hello(&name)?;
        if self.transport == Transport::StartTls {
            if !can.iter().any(|c| c.eq_ignore_ascii_case("STARTTLS")) {
                return Err(talk.says(Trouble::Tls, false, "it offers no STARTTLS"));
            }
            talk.say("STARTTLS", &[220])?;
            // What came with the answer was said before TLS, by anybody.
            if !talk.read.is_empty() {
                return Err(talk.says(Trouble::Tls, false, "it said more than it was asked before TLS"));
            }
            let Wire::Plain(stream) = talk.wire else { return Err(talk.says(Trouble::Tls, false, "TLS began before")) };
            talk = Talk::new(Wire::Tls(Box::new(self.secure(stream)?)), end, &self.host);
            can = talk.hello(&name)?;
        }
        if let Some((user, password)) = &self.account {
            talk.authenticate(user, password, &can)?;
        }
        talk.say(&format!("MAIL FROM:<{}>", letter.from), &[250])?;
        for to in &letter.to {
            talk.say(&format!("RCPT TO:<{to}>"), &[250, 251])?;
        }
        talk.say("DATA", &[354])?;
        let mut data = Vec::new();
        for line in letter.to_bytes().split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b".") {
                data.push(b'.');
            }
            data.extend_from_slice(line);
        }
        data.extend_from_slice(b".\r\n");
        talk.write(&data)?;
        talk.expect(&[250])?;
        // It is taken; how the good-bye goes is nobody's concern.
        let _ = talk.say("QUIT", &[221]);
        Ok(())
    }

    fn failed(&self, why: Trouble, again: bool, what: &str) -> NotTaken {
        NotTaken::new(why, again, format!("{}:{}: {what}", self.host, self.port))
    }

    /// Connects to an address that was checked: the one that is checked is the one that is connected to.
    fn connect(&self, end: Instant) -> Result<TcpStream, NotTaken> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (host, port) = (self.host.clone(), self.port);
        // A lookup knows no limit of its own.
        std::thread::spawn(move || sender.send((host.as_str(), port).to_socket_addrs().map(Vec::from_iter)).ok());
        let unknown = || self.failed(Trouble::Unreachable, true, "its name leads to no address");
        let found: Vec<SocketAddr> = receiver
            .recv_timeout(CONNECT)
            .map_err(|_| unknown())?
            .map_err(|_| unknown())?
            .into_iter()
            .take(16)
            .collect();
        for address in found.iter().map(SocketAddr::ip) {
            let checked = match self.guard.check(address) {
                Ok(()) if self.transport == Transport::Plain && !address.to_canonical().is_loopback() => {
                    Err("another machine, without TLS")
                }
                checked => checked,
            };
            checked.map_err(|what| self.failed(Trouble::Refused, false, &blocked(address, what)))?;
        }
        let mut last = None;
        for address in found {
            let left = end.saturating_duration_since(Instant::now()).min(CONNECT);
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => return Ok(stream),
                Err(e) => last = Some(e.to_string()),
            }
        }
        Err(last.map_or_else(unknown, |e| self.failed(Trouble::Unreachable, true, &e)))
    }

    fn secure(&self, stream: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>, NotTaken> {
        let wrong = |what: String| self.failed(Trouble::Tls, true, &what);
        let name = ServerName::try_from(self.host.clone()).map_err(|e| wrong(e.to_string()))?;
        let connection = ClientConnection::new(self.authorities.client()?, name).map_err(|e| wrong(e.to_string()))?;
        let mut stream = StreamOwned::new(connection, stream);
        let limit = |s: &TcpStream| s.set_read_timeout(Some(CONNECT)).and_then(|()| s.set_write_timeout(Some(CONNECT)));
        limit(&stream.sock).map_err(|e| wrong(e.to_string()))?;
        // Here, so that what is wrong with a certificate is not taken for a broken connection.
        stream.conn.complete_io(&mut stream.sock).map_err(|e| wrong(e.to_string()))?;
        Ok(stream)
    }
}

/// A connection.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    const fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

/// A conversation.
struct Talk<'a> {
    wire: Wire,
    /// What was read and not looked at yet.
    read: Vec<u8>,
    end: Instant,
    host: &'a str,
}

impl<'a> Talk<'a> {
    const fn new(wire: Wire, end: Instant, host: &'a str) -> Self {
        Self { wire, read: Vec::new(), end, host }
    }

    fn says(&self, why: Trouble, again: bool, what: &str) -> NotTaken {
        NotTaken::new(why, again, format!("{}: {what}", self.host))
    }

    fn lost(&self, e: &io::Error) -> NotTaken {
        let what = match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
            _ => e.to_string(),
        };
        self.says(Trouble::Unreachable, true, &what)
    }

    fn limit(&self) -> Result<(), NotTaken> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.says(Trouble::Unreachable, true, "it did not answer in time"));
        }
        let socket = self.wire.socket();
        socket
            .set_read_timeout(Some(left))
            .and_then(|()| socket.set_write_timeout(Some(left)))
            .map_err(|e| self.lost(&e))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), NotTaken> {
        self.limit()?;
        let done = match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Wire::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        done.map_err(|e| self.lost(&e))
    }

    fn line(&mut self) -> Result<String, NotTaken> {
        loop {
            if let Some(at) = self.read.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.read.len() > LONGEST_LINE {
                return Err(self.says(Trouble::Answer, true, "a line of its answer is too long"));
            }
            self.limit()?;
            let mut buffer = [0; 1024];
            let read = match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut buffer),
                Wire::Tls(stream) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) => return Err(self.says(Trouble::Unreachable, true, "it closed the connection")),
                Ok(n) => self.read.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(&e)),
            }
        }
    }

    /// An answer: its code, and what its lines say.
    fn answer(&mut self) -> Result<(u16, Vec<String>), NotTaken> {
        let mut lines = Vec::new();
        let mut first = None;
        while lines.len() < MOST_LINES {
            let line = self.line()?;
            let code =
                line.get(..3).filter(|c| c.bytes().all(|b| b.is_ascii_digit())).and_then(|c| c.parse::<u16>().ok());
            let Some(code) = code.filter(|code| first.is_none_or(|f| f == *code)) else { break };
            first = Some(code);
            let more = match line.get(3..4) {
                Some("-") => true,
                Some(" ") | None => false,
                Some(_) => break,
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok((code, lines));
            }
        }
        Err(self.says(Trouble::Answer, true, "what it says is no answer of a mail server"))
    }

    fn expect(&mut self, wanted: &[u16]) -> Result<Vec<String>, NotTaken> {
        let (code, lines) = self.answer()?;
        if wanted.contains(&code) {
            return Ok(lines);
        }
        let again = (400..500).contains(&code);
        let why = match code {
            400..=499 => Trouble::Busy,
            500..=599 => Trouble::Rejected,
            _ => Trouble::Answer,
        };
        let what = format!("it answered {code} {}", lines.first().map_or("", String::as_str));
        Err(self.says(why, again, &what).with_status(code))
    }

    fn say(&mut self, command: &str, wanted: &[u16]) -> Result<Vec<String>, NotTaken> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.expect(wanted)
    }

    /// Introduces us, and returns what it can.
    fn hello(&mut self, name: &str) -> Result<Vec<String>, NotTaken> {
        let mut lines = self.say(&format!("EHLO {name}"), &[250])?;
        if !lines.is_empty() {
            lines.remove(0);
        }
        Ok(lines)
    }

    /// Shows the account: PLAIN (RFC 4616), or LOGIN where it is all that is offered. What is answered to a password is not repeated.
    fn authenticate(&mut self, user: &str, password: &str, can: &[String]) -> Result<(), NotTaken> {
        let offered = can.iter().find_map(|c| {
            let (word, rest) = c.split_once(' ')?;
            word.eq_ignore_ascii_case("AUTH").then_some(rest)
        });
        let offers = |what: &str| offered.is_some_and(|o| o.split_whitespace().any(|m| m.eq_ignore_ascii_case(what)));
        let done = if offers("PLAIN") {
            let both = Zeroizing::new(format!("\0{user}\0{password}"));
            let line = Zeroizing::new(format!("AUTH PLAIN {}", STANDARD.encode(both.as_bytes())));
            self.say(&line, &[235])
        } else if offers("LOGIN") {
            self.say("AUTH LOGIN", &[334])?;
            self.say(&STANDARD.encode(user), &[334])?;
            let line = Zeroizing::new(STANDARD.encode(password));
            self.say(&line, &[235])
        } else {
            return Err(self.says(
                Trouble::Rejected,
                false,
                "it offers no way to sign in that is known here: PLAIN, LOGIN",
            ));
        };
        match done {
            Ok(_) => Ok(()),
            Err(failed) => match failed.status {
                Some(code) => Err(NotTaken {
                    detail: format!("{}: it answered {code} to user and password", self.host),
                    ..failed
                }),
                None => Err(failed),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn server(port: u16, transport: Transport, account: bool) -> MailServer {
        MailServer {
            host: "127.0.0.1".into(),
            port,
            transport,
            account: account.then(|| ("gate".to_owned(), Zeroizing::new("s3cr3t".to_owned()))),
            guard: Guard { allow: vec!["127.0.0.0/8".parse().unwrap()] },
            authorities: Authorities::System,
        }
    }

    fn letter() -> Letter {
        Letter {
            id: "ntf-1".into(),
            from: "gate@bank.example".into(),
            to: vec!["a@bank.example".into()],
            subject: "x".into(),
            text: "y".into(),
            time: "2026-11-26T20:48:11Z".parse().unwrap(),
        }
    }

    /// A mail server that answers line by line what it is told to, and says what it heard.
    fn saying(answers: &'static [&'static str]) -> (u16, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut heard = Vec::new();
            for answer in answers {
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
                let until_dot = answer.starts_with("354");
                while let Some(Ok(line)) = lines.next() {
                    let is_end = !until_dot || line == ".";
                    heard.push(line);
                    if is_end {
                        break;
                    }
                }
            }
            heard
        });
        (port, heard)
    }

    fn fails(answers: &'static [&'static str], transport: Transport, account: bool) -> (NotTaken, Vec<String>) {
        let (port, heard) = saying(answers);
        let failed = server(port, transport, account).send(&letter()).unwrap_err();
        (failed, heard.join().unwrap())
    }

    #[test]
    fn a_letter_is_taken_when_the_server_says_so() {
        let (port, heard) = saying(&[
            "220 hello\r\n",
            "250-hello\r\n250-SIZE 1\r\n250 AUTH LOGIN PLAIN\r\n",
            "235 ok\r\n",
            "250 ok\r\n",
            "251 ok\r\n",
            "354 go\r\n",
            "250 taken\r\n",
        ]);
        server(port, Transport::Plain, true).send(&letter()).unwrap();
        let heard = heard.join().unwrap();
        assert_eq!(heard[0], "EHLO [127.0.0.1]");
        assert_eq!(heard[1], format!("AUTH PLAIN {}", STANDARD.encode("\0gate\0s3cr3t")));
        assert_eq!(heard[2..5], ["MAIL FROM:<gate@bank.example>", "RCPT TO:<a@bank.example>", "DATA"]);
        assert!(heard.contains(&"Message-ID: <ntf-1@bank.example>".to_owned()), "{heard:?}");
    }

    #[test]
    fn what_a_server_says_against_it_is_an_end_or_a_pause_and_no_password_is_repeated() {
        let cases: [(&'static [&'static str], Trouble, bool, Option<u16>); 9] = [
            (&["554 no\r\n"], Trouble::Rejected, false, Some(554)),
            (&["421 later\r\n"], Trouble::Busy, true, Some(421)),
            (&["hello\r\n"], Trouble::Answer, true, None),
            (&["220-a\r\n221 b\r\n"], Trouble::Answer, true, None),
            (&[], Trouble::Unreachable, true, None),
            (&["220 a\r\n", "250 AUTH PLAIN\r\n"], Trouble::Rejected, false, None),
            (
                &["220 a\r\n", "250-a\r\n250 AUTH PLAIN\r\n", "535 s3cr3t is wrong\r\n"],
                Trouble::Rejected,
                false,
                Some(535),
            ),
            (
                &["220 a\r\n", "250-a\r\n250 AUTH LOGIN\r\n", "334 u\r\n", "334 p\r\n", "454 s3cr3t\r\n"],
                Trouble::Busy,
                true,
                Some(454),
            ),
            (
                &["220 a\r\n", "250-a\r\n250 AUTH PLAIN\r\n", "235 ok\r\n", "250 ok\r\n", "550 nobody\r\n"],
                Trouble::Rejected,
                false,
                Some(550),
            ),
        ];
        for (answers, why, again, status) in cases {
            let (failed, _) = fails(answers, Transport::Plain, true);
            assert_eq!((failed.why, failed.again, failed.status), (why, again, status), "{answers:?}: {failed:?}");
            assert!(!failed.detail.contains("s3cr3t"), "{failed:?}");
        }
    }

    #[test]
    fn without_tls_nothing_of_an_account_or_a_letter_is_said() {
        for answers in [
            &["220 a\r\n", "250-a\r\n250 AUTH PLAIN\r\n"][..],
            &["220 a\r\n", "250-a\r\n250 STARTTLS\r\n", "454 no\r\n"],
            // Said before TLS began, in the hope that it counts after.
            &["220 a\r\n", "250-a\r\n250 STARTTLS\r\n", "220 go\r\n250-a\r\n250 AUTH PLAIN\r\n"],
        ] {
            let (failed, heard) = fails(answers, Transport::StartTls, true);
            assert!(heard.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{heard:?}");
            assert!(matches!(failed.why, Trouble::Tls | Trouble::Busy), "{failed:?}");
        }
    }

    #[test]
    fn whatever_leads_inside_is_not_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "0.0.0.0", "::1", "::ffff:127.0.0.1"] {
            let server =
                MailServer { host: host.into(), guard: Guard::default(), ..server(port, Transport::StartTls, true) };
            let failed = server.send(&letter()).unwrap_err();
            assert!(matches!(failed.why, Trouble::Refused | Trouble::Unreachable), "{host}: {failed:?}");
            assert!(listener.accept().is_err(), "{host} was reached");
        }
        let wrong = |change: fn(&mut MailServer)| {
            let mut s = server(port, Transport::StartTls, false);
            change(&mut s);
            s.check("a@b", &["c@d".to_owned()]).unwrap_err()
        };
        wrong(|s| s.host = "a\r\nb".into());
        wrong(|s| s.host = String::new());
        wrong(|s| s.port = 22);
        assert!(server(25, Transport::Tls, false).check("a@b", &[]).is_err());
        assert!(server(25, Transport::Tls, false).check("a@b", &["x@y\r\nRCPT TO:<z@z>".to_owned()]).is_err());
    }
}
