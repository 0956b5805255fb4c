//! The gate against hosts that are on this machine, under every name that could hide it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const LIMITS: FetchLimits = FetchLimits {
    max_bytes: 1_000_000,
    total: Duration::from_secs(5),
    min_rate: 0,
};

/// A public address that nobody connects to: the stand-in takes its place.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

fn gate(lookup: impl Lookup, stand_in: Option<IpAddr>) -> Gate {
    Gate::with_judge(Judge {
        lookup: Arc::new(lookup),
        rules: Rules {
            private: false,
            any_port: true,
        },
        stand_in,
    })
}

fn open_gate() -> Gate {
    Gate::new(true)
}

/// A server that counts connections and answers each with these bytes.
async fn server(ip: &str, port: u16, answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip, port)).await.expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let Ok((mut socket, _)) = listener.accept().await else {
                return;
            };
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&answer).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    (port, seen)
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn redirect(to: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

async fn fetch(gate: &Gate, url: &str) -> Result<Vec<u8>, ErrorInfo> {
    let mut fetched = gate.get(&gate.parse(url)?, LIMITS).await?;
    let mut body = Vec::new();
    while let Some(piece) = fetched.body.next().await {
        body.extend_from_slice(&piece.map_err(|error| fetch_failed(&error.to_string()))?);
    }
    Ok(body)
}

/// Reads names as generously as the oldest of resolvers does, and finds a private address behind every other name.
struct Generous;

#[async_trait]
impl Lookup for Generous {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let bare = name.trim_end_matches('.').split('%').next().unwrap_or("");
        Ok(vec![bare.parse().unwrap_or(Ipv4Addr::LOCALHOST.into())])
    }
}

/// One part of an IPv4 address in one of its spellings.
fn part(value: u32, style: usize) -> String {
    match style % 6 {
        0 => value.to_string(),
        1 => format!("0{value:o}"),
        2 => format!("0x{value:x}"),
        3 => format!("0X{value:X}"),
        4 => format!("0000{value:o}"),
        _ => format!("0x000{value:x}"),
    }
}

fn full_width(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '!'..='~' if letter != '/' && letter != ':' => {
                char::from_u32(letter as u32 + 0xfee0).unwrap_or(letter)
            }
            other => other,
        })
        .collect()
}

/// Every spelling of an IPv4 host: 1 to 4 parts, bases mixed, dots of other scripts, trailing dots, escapes, and as a part of
/// IPv6 addresses.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let number = u32::from(address);
    let [a, b, c, d] = address.octets().map(u32::from);
    let mut hosts = Vec::new();
    for style in 0..36 {
        let (one, two) = (style, style / 6);
        hosts.push([part(a, one), part(b, two), part(c, one), part(d, two)].join("."));
        hosts.push([part(a, one), part(b, two), part(number & 0xffff, one)].join("."));
        hosts.push([part(a, one), part(number & 0x00ff_ffff, two)].join("."));
    }
    for style in 0..6 {
        hosts.push(part(number, style));
    }
    let mut more = Vec::new();
    for host in &hosts {
        more.push(format!("{host}."));
        more.push(host.replace('.', "。"));
        more.push(host.replace('.', "．"));
        more.push(host.replace('.', "｡"));
        more.push(host.replace('.', "%2e"));
        more.push(full_width(host));
        more.push(host.replace('1', "①").replace('0', "⓪"));
        more.push(host.replacen('.', "\u{ad}.", 1));
    }
    hosts.append(&mut more);
    let v6: Ipv6Addr = address.to_ipv6_mapped();
    let [.., high, low] = v6.segments();
    for prefix in [
        "::ffff:",
        "::",
        "::ffff:0:",
        "64:ff9b::",
        "64:ff9b:1::",
        "0:0:0:0:0:ffff:",
    ] {
        hosts.push(format!("[{prefix}{address}]"));
        hosts.push(format!("[{prefix}{high:x}:{low:x}]"));
        hosts.push(format!("[{prefix}{high:04X}:{low:04X}]"));
        hosts.push(format!("[{prefix}{high:x}:{low:x}%25eth0]"));
        hosts.push(format!("[{prefix}{high:x}:{low:x}%eth0]"));
    }
    hosts.push(format!("[2002:{high:x}:{low:x}::1]"));
    hosts.push(format!("[2002:{high:x}:{low:x}:0:0:0:0:1]"));
    hosts.push(format!("[2001:0:{high:x}:{low:x}::1]"));
    hosts.push(format!("{address}.nip.example"));
    hosts.push(format!("[{address}]"));
    hosts
}

#[tokio::test]
async fn no_spelling_of_a_private_address_is_connected_to() {
    let (port, seen) = server("127.0.0.1", 0, ok("private")).await;
    let gate = gate(Generous, None);
    let targets = [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv4Addr::new(192, 168, 1, 1),
        Ipv4Addr::new(0, 0, 0, 0),
    ];
    let mut hosts: Vec<String> = targets
        .iter()
        .flat_map(|target| spellings(*target))
        .collect();
    for name in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ｌｏｃａｌｈｏｓｔ",
        "loc\u{ad}alhost",
        "ⓛocalhost",
        "localtest.example",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[::127.1]",
        "xn--localhost-",
        "metadata.google.internal",
        "[::ffff:0x7f.1]",
        "127.0.0.1%00.example",
        "127.0.0.1\t",
        "127.0.0.1\n",
        " 127.0.0.1",
    ] {
        hosts.push(name.to_owned());
    }
    let mut tried = 0;
    for host in &hosts {
        for form in ["http://{h}:{p}/", "https://{h}:{p}/x", "http:\\\\{h}:{p}\\"] {
            let text = form.replace("{h}", host).replace("{p}", &port.to_string());
            tried += 1;
            let error = fetch(&gate, &text)
                .await
                .err()
                .unwrap_or_else(|| panic!("{text} was fetched"));
            assert!(
                error.is(ErrorCode::UrlNotAllowed),
                "{text}: {}",
                error.detail
            );
        }
    }
    assert!(tried >= 5_000, "only {tried} spellings");
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

/// Says public and private in turn.
struct Flips(AtomicUsize);

#[async_trait]
impl Lookup for Flips {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let private = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        Ok(match self.0.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => vec![PUBLIC],
            1 => vec![private],
            2 => vec![PUBLIC, private],
            _ => vec![private, PUBLIC],
        })
    }
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_never_followed_inside() {
    let (port, outside) = server("127.0.0.1", 0, ok("public")).await;
    let (_, inside) = server("127.0.0.2", port, ok("private")).await;
    // What passed is connected to at the stand-in, which plays the public host.
    let gate = gate(Flips(AtomicUsize::new(0)), Some(Ipv4Addr::LOCALHOST.into()));
    let rounds = 10_000;
    let fetches = (0..rounds).map(|round| {
        let gate = gate.clone();
        // Names differ, so that no connection is used again.
        async move { fetch(&gate, &format!("http://a{round}.example:{port}/")).await }
    });
    let answers: Vec<_> = futures_util::stream::iter(fetches)
        .buffer_unordered(32)
        .collect()
        .await;
    let fetched = answers.iter().filter(|answer| answer.is_ok()).count();
    for answer in &answers {
        match answer {
            Ok(body) => assert_eq!(body, b"public"),
            Err(error) => assert!(error.is(ErrorCode::UrlNotAllowed), "{}", error.detail),
        }
    }
    assert_eq!(fetched, rounds / 4);
    assert_eq!(outside.load(Ordering::SeqCst), rounds / 4);
    assert_eq!(inside.load(Ordering::SeqCst), 0);
}

/// Only `outside.example` is public.
struct OneName;

#[async_trait]
impl Lookup for OneName {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![match name {
            "outside.example" => PUBLIC,
            _ => Ipv4Addr::new(127, 0, 0, 2).into(),
        }])
    }
}

#[tokio::test]
async fn every_hop_is_judged() {
    let stand_in = Some(Ipv4Addr::LOCALHOST.into());
    let (inner, inside) = server("127.0.0.2", 0, ok("private")).await;
    for to in [
        format!("http://127.0.0.2:{inner}/"),
        format!("http://2130706434:{inner}/"),
        format!("http://inside.example:{inner}/"),
        format!("//127.0.0.2:{inner}/"),
        "file:///etc/passwd".to_owned(),
        format!("http://user:word@outside.example:{inner}/"),
    ] {
        let (port, _) = server("127.0.0.1", 0, redirect(&to)).await;
        let error = fetch(
            &gate(OneName, stand_in),
            &format!("http://outside.example:{port}/"),
        )
        .await
        .expect_err(&to);
        assert!(error.is(ErrorCode::UrlNotAllowed), "{to}: {}", error.detail);
    }
    assert_eq!(inside.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_loop_ends() {
    let (port, _) = server("127.0.0.1", 0, ok("here")).await;
    let mut to = port;
    for _ in 0..3 {
        to = server("127.0.0.1", 0, redirect(&format!("http://127.0.0.1:{to}/")))
            .await
            .0;
    }
    assert_eq!(
        fetch(&open_gate(), &format!("http://127.0.0.1:{to}/"))
            .await
            .expect("three hops"),
        b"here"
    );
    let (port, seen) = server("127.0.0.1", 0, redirect("/again")).await;
    let error = fetch(&open_gate(), &format!("http://127.0.0.1:{port}/"))
        .await
        .expect_err("a loop");
    assert!(error.is(ErrorCode::MediaFetchFailed));
    assert_eq!(seen.load(Ordering::SeqCst), HOPS + 1);
}

#[test]
fn a_redirect_never_gives_up_encryption() {
    let answer = http::Response::builder()
        .status(302)
        .header(LOCATION, "http://outside.example/")
        .body("")
        .expect("an answer");
    let from = Url::parse("https://outside.example/").expect("an address");
    let error = next_hop(&from, &answer.into()).expect_err("a downgrade");
    assert!(error.is(ErrorCode::UrlNotAllowed));
}

#[tokio::test]
async fn lengths_that_lie_and_packed_bodies_are_refused() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    for (answer, code) in [
        (
            format!("{head}Content-Length: 1000001\r\n\r\nx"),
            ErrorCode::MediaTooLarge,
        ),
        (
            format!("{head}Content-Length: 900\r\n\r\nx"),
            ErrorCode::MediaFetchFailed,
        ),
        (
            format!("{head}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
            ErrorCode::MediaFetchFailed,
        ),
        (
            format!("{head}\r\n{}", "x".repeat(1_000_001)),
            ErrorCode::MediaFetchFailed,
        ),
        (
            "HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            ErrorCode::MediaFetchFailed,
        ),
        (
            "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n".to_owned(),
            ErrorCode::MediaFetchFailed,
        ),
        ("nonsense".to_owned(), ErrorCode::MediaFetchFailed),
    ] {
        let (port, _) = server("127.0.0.1", 0, answer.clone().into_bytes()).await;
        let error = fetch(
            &open_gate(),
            &format!("http://127.0.0.1:{port}/?token=canary"),
        )
        .await
        .expect_err("a refusal");
        assert!(error.is(code), "{answer:.60}: {}", error.detail);
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(!error.remedy.is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_ends_by_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    let begun = std::time::Instant::now();
    let limits = FetchLimits {
        total: Duration::from_millis(300),
        ..LIMITS
    };
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).expect("an address");
    // It accepts (the system does) and never answers.
    let error = open_gate().get(&url, limits).await.expect_err("a deadline");
    assert!(error.is(ErrorCode::MediaFetchFailed));
    // And now it answers, byte for byte.
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while socket.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
    });
    let mut fetched = open_gate().get(&url, limits).await.expect("an answer");
    let mut last = None;
    while let Some(piece) = fetched.body.next().await {
        last = Some(piece);
    }
    let error = last.expect("a piece").expect_err("the deadline");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_webhook_is_posted_once_and_no_redirect_is_followed() {
    let (port, elsewhere) = server("127.0.0.1", 0, ok("")).await;
    let (first, seen) = server(
        "127.0.0.1",
        0,
        redirect(&format!("http://127.0.0.1:{port}/")),
    )
    .await;
    let url = Url::parse(&format!("http://127.0.0.1:{first}/hook")).expect("an address");
    let posted = open_gate()
        .post(
            &url,
            HeaderMap::new(),
            Bytes::from_static(b"{}"),
            Duration::from_secs(5),
        )
        .await
        .expect("an answer");
    assert_eq!(posted.status, 302);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
    let error = gate(OneName, None)
        .post(&url, HeaderMap::new(), Bytes::new(), Duration::from_secs(5))
        .await
        .expect_err("a private receiver");
    assert!(error.is(ErrorCode::UrlNotAllowed));
}
