//! What an address must look like before a name is resolved. Pure.

use multi_upload_wire::{ErrorCode, ErrorInfo};
use url::{Host, Url};

use super::address::{is_own, not_public};

/// Ports that a public address may name.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Longest address.
const MAX_LENGTH: usize = 2_048;

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Private addresses and every port: development and tests.
    pub(super) private: bool,
    /// Every port.
    pub(super) any_port: bool,
}

/// Checks all that can be checked without a lookup; an IP literal is judged at once.
pub(super) fn check(url: &Url, rules: Rules) -> Result<(), ErrorInfo> {
    if url.as_str().len() > MAX_LENGTH {
        return Err(refuse(format!(
            "the address is longer than {MAX_LENGTH} characters"
        )));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse(format!(
            "an address must begin with http:// or https://, not {}:",
            url.scheme()
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            refuse("an address must not contain a user name or a password".to_owned())
                .with_remedy("Remove the part before the @ sign."),
        );
    }
    let port = url.port_or_known_default().unwrap_or(0);
    if !rules.private && !rules.any_port && !PORTS.contains(&port) {
        return Err(refuse(format!("port {port} is not allowed")).with_remedy(
            "Use port 80, 443, 8080 or 8443; other ports need MULTI_UPLOAD_ALLOW_PRIVATE_URLS=1.",
        ));
    }
    match url.host() {
        None => Err(refuse("the address has no host".to_owned())),
        Some(Host::Domain(name)) if name.trim_matches('.').is_empty() => {
            Err(refuse("the address has no host".to_owned()))
        }
        Some(Host::Domain(_)) => Ok(()),
        Some(Host::Ipv4(ip)) => judge(ip.into(), rules).map_err(refuse),
        Some(Host::Ipv6(ip)) => judge(ip.into(), rules).map_err(refuse),
    }
}

/// Judges one address of a host; the error says what is wrong with it.
pub(super) fn judge(address: std::net::IpAddr, rules: Rules) -> Result<(), String> {
    if rules.private {
        return Ok(());
    }
    if let Some(what) = not_public(address) {
        return Err(format!(
            "the host's address {address} is not public ({what})"
        ));
    }
    if is_own(address) {
        return Err(format!(
            "the host's address {address} is this machine's own"
        ));
    }
    Ok(())
}

/// `URL_NOT_ALLOWED`
pub(super) fn refuse(detail: String) -> ErrorInfo {
    ErrorInfo::new(ErrorCode::UrlNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Rules = Rules {
        private: false,
        any_port: false,
    };

    fn refused(text: &str, rules: Rules) -> Option<String> {
        check(&Url::parse(text).expect(text), rules)
            .err()
            .map(|error| {
                assert!(error.is(ErrorCode::UrlNotAllowed));
                error.detail
            })
    }

    #[test]
    fn what_is_refused_says_why() {
        for (text, word) in [
            ("ftp://example.com/a", "ftp"),
            ("file:///etc/passwd", "file"),
            ("http://user@example.com/", "user name"),
            ("http://:secret@example.com/", "password"),
            ("http://example.com:22/", "port 22"),
            ("https://example.com:6379/", "port 6379"),
            ("http://127.0.0.1/", "127.0.0.1"),
            (
                "http://[::ffff:169.254.169.254]/",
                "outside the public part",
            ),
            ("http://./", "no host"),
        ] {
            let detail = refused(text, STRICT).unwrap_or_else(|| panic!("{text} was let through"));
            assert!(detail.contains(word), "{text}: {detail}");
            assert!(!detail.contains("secret"), "{detail}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_LENGTH));
        assert!(refused(&long, STRICT).is_some());
    }

    #[test]
    fn public_addresses_pass_and_private_ones_where_they_are_allowed() {
        for text in [
            "https://example.com/a.jpg?b=c",
            "http://example.com:8080/",
            "https://8.8.8.8/x",
            "https://[2606:4700::1111]/x",
        ] {
            assert_eq!(refused(text, STRICT), None, "{text}");
        }
        let private = Rules {
            private: true,
            any_port: false,
        };
        assert_eq!(refused("http://127.0.0.1:4321/", private), None);
        assert!(refused("http://a:b@127.0.0.1/", private).is_some());
        assert!(refused("gopher://127.0.0.1/", private).is_some());
    }
}
