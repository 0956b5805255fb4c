//! Who is at work. Set once where a request (or a command) enters, read by the store when it writes.
//!
//! A value of the task, not an argument: every call that changes something would have to carry it, and one that forgot would
//! write "the machine" all the same. Work that is spawned for a caller must be told with [`acting`] again.

use std::future::Future;

use crate::store::Millis;

/// Who is at work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Actor {
    pub(crate) kind: Kind,
    /// `key_…` of a key.
    pub(crate) id: Option<String>,
    /// Of the request that it came with.
    pub(crate) request_id: Option<String>,
    /// When it began, by the service's clock.
    pub(crate) at: Option<Millis>,
}

/// What kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// The service by itself: publishing, renewing, delivering.
    #[default]
    Machine,
    /// A caller with an API key.
    Key,
    /// A caller in the same process, or a command on the machine.
    Local,
    /// A browser that came back from a network's consent page.
    Consent,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Key => "key",
            Self::Local => "local",
            Self::Consent => "consent",
        }
    }
}

impl Actor {
    /// When it began; now, for one that was not told.
    pub(crate) fn at(&self) -> Millis {
        self.at
            .unwrap_or_else(|| jiff::Timestamp::now().as_millisecond())
    }
}

tokio::task_local! {
    static ACTOR: Actor;
}

/// Who is at work in this task; the machine, unless it was said.
pub(crate) fn current() -> Actor {
    ACTOR.try_with(Clone::clone).unwrap_or_default()
}

/// Runs work for somebody.
pub(crate) async fn acting<F: Future>(actor: Actor, work: F) -> F::Output {
    ACTOR.scope(actor, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_the_machines_unless_it_is_said_whose() {
        assert_eq!(current().kind, Kind::Machine);
        let key = Actor {
            kind: Kind::Key,
            id: Some("key_1".to_owned()),
            ..Actor::default()
        };
        acting(key.clone(), async {
            assert_eq!(current(), key);
            let spawned = tokio::spawn(async { current().kind }).await;
            assert_eq!(spawned.ok(), Some(Kind::Machine));
        })
        .await;
        assert_eq!(current().kind, Kind::Machine);
    }
}
