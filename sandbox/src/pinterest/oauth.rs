//! The consent page at `/oauth/`.

use std::fmt::Write as _;

use url::{Url, form_urlencoded};

use super::tokens::parse_scopes;
use crate::answer::Answer;
use crate::sandbox::Sandbox;
use crate::state::Code;

/// Lifetime of an authorization code.
const CODE_LIFE_MS: u64 = 600_000;

/// What the app asks for, checked.
struct Request {
    client_id: String,
    redirect_uri: Url,
    /// As sent: the token call has to repeat it exactly.
    redirect_text: String,
    scopes: std::collections::BTreeSet<String>,
    state: Option<String>,
    user: String,
    username: String,
}

/// `GET /oauth/`: the page, or the redirect at once where the sandbox approves by itself.
pub(crate) fn consent(sandbox: &Sandbox, base: &str, query: &str) -> Answer {
    match Request::parse(sandbox, query) {
        Err(problem) => refuse(&problem),
        Ok(request) if sandbox.options().auto_approve => request.allow(sandbox),
        Ok(request) => Answer::html(200, request.page(base, query)),
    }
}

/// `POST /oauth/`: the form of that page.
pub(crate) fn approve(sandbox: &Sandbox, form: &str) -> Answer {
    match Request::parse(sandbox, form) {
        Err(problem) => refuse(&problem),
        Ok(request) => request.allow(sandbox),
    }
}

fn refuse(problem: &str) -> Answer {
    Answer::html(
        400,
        layout(
            "Something is wrong with this link",
            &format!("<p>{}</p>", escape(problem)),
        ),
    )
}

impl Request {
    fn parse(sandbox: &Sandbox, pairs: &str) -> Result<Self, String> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(pairs.as_bytes())
            .into_owned()
            .collect();
        let value = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let required = |name: &str| {
            value(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("The parameter {name} is missing."))
        };
        let client_id = required("client_id")?;
        let redirect_text = required("redirect_uri")?;
        if required("response_type")? != "code" {
            return Err("The parameter response_type has to be code.".to_owned());
        }
        let scopes = parse_scopes(&required("scope")?).map_err(|error| error.message)?;
        let redirect_uri = Url::parse(&redirect_text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or("The parameter redirect_uri is not an address.")?;
        if let Some(app) = &sandbox.options().app {
            if app.client_id != client_id {
                return Err("The sandbox does not know this client_id.".to_owned());
            }
            if !app.redirect_uris.is_empty() && !app.redirect_uris.contains(&redirect_text) {
                return Err("The redirect_uri is not registered for this app.".to_owned());
            }
        }
        let state = sandbox.state();
        let user = match value("user") {
            Some(name) => state.users.iter().find(|user| user.username == name),
            None => state.users.first(),
        };
        let user = user.ok_or("The sandbox has no such user.")?;
        Ok(Self {
            client_id,
            redirect_uri,
            redirect_text,
            scopes,
            state: value("state"),
            user: user.id.clone(),
            username: user.username.clone(),
        })
    }

    fn allow(self, sandbox: &Sandbox) -> Answer {
        let now_ms = sandbox.now_ms();
        let mut state = sandbox.state();
        let code = state.random.hex(40);
        let address = self.back(&[("code", &code)]);
        state.codes.insert(
            code,
            Code {
                client_id: self.client_id,
                redirect_uri: self.redirect_text,
                user: self.user,
                scopes: self.scopes,
                expires_ms: now_ms + CODE_LIFE_MS,
            },
        );
        Answer::redirect(302, &address)
    }

    /// The redirect address with an answer and the state unchanged.
    fn back(&self, answer: &[(&str, &str)]) -> String {
        let mut address = self.redirect_uri.clone();
        {
            let mut pairs = address.query_pairs_mut();
            pairs.extend_pairs(answer);
            if let Some(state) = &self.state {
                pairs.append_pair("state", state);
            }
        }
        address.into()
    }

    fn page(&self, base: &str, query: &str) -> String {
        let mut hidden = String::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let _ = writeln!(
                hidden,
                r#"<input type="hidden" name="{}" value="{}">"#,
                escape(&name),
                escape(&value)
            );
        }
        let scopes: String = self
            .scopes
            .iter()
            .map(|scope| format!("<li><code>{}</code></li>\n", escape(scope)))
            .collect();
        let body = format!(
            r#"<p>The app <strong>{client}</strong> wants to use the account <strong>@{user}</strong>:</p>
<ul>
{scopes}</ul>
<form method="post" action="{base}/oauth/">
{hidden}<button type="submit">Allow</button>
<a class="deny" href="{deny}">Deny</a>
</form>
<p class="small">Afterwards you go back to {host}.</p>"#,
            client = escape(&self.client_id),
            user = escape(&self.username),
            base = escape(base),
            deny = escape(&self.back(&[("error", "access_denied")])),
            host = escape(self.redirect_uri.host_str().unwrap_or_default()),
        );
        layout("Give access?", &body)
    }
}

fn layout(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · multi-upload sandbox</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; background: #f4f1ea; color: #222; margin: 0; }}
main {{ max-width: 30rem; margin: 8vh auto; background: #fff; padding: 2rem; border-radius: 12px; }}
.banner {{ background: #fff3c4; border-radius: 8px; padding: .5rem .8rem; font-size: .9rem; }}
button {{ font: inherit; padding: .6rem 1.6rem; border: 0; border-radius: 8px; background: #14532d; color: #fff; }}
.deny {{ margin-left: 1rem; color: #555; }}
.small {{ font-size: .85rem; color: #555; }}
</style>
</head>
<body>
<main>
<p class="banner">This is the sandbox of multi-upload, <strong>not Pinterest</strong>. Nothing here reaches a real account.</p>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"#
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
