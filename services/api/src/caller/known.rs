//! Tokens that were found valid a moment ago, so that a busy caller costs no look-up each time.
//!
//! Only what the store has confirmed gets in: nobody can fill it with what they make up. It is bounded all the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use baton_domain::credential::{Grant, TokenText};
use tokio::time::Instant;

/// How long a confirmation is relied upon.
pub(super) const RELIED_UPON: Duration = Duration::from_millis(2_500);
const MOST: usize = 10_000;

/// Whom a token stands for.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub grant: Arc<Grant>,
    /// For records, such as `token:ID`.
    pub credential: Arc<str>,
}

/// By the hash of the token.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, (Identity, Instant)>>);

impl Known {
    pub fn get(&self, text: &TokenText) -> Option<Identity> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (identity, until) = known.get(&text.digest())?;
        (*until > Instant::now()).then(|| identity.clone())
    }

    /// Keeps a confirmation for as long as it is relied upon, or until the token expires.
    pub fn keep(&self, text: &TokenText, identity: Identity, expires_in: Option<Duration>) {
        let now = Instant::now();
        let until = now + expires_in.map_or(RELIED_UPON, |left| left.min(RELIED_UPON));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() < MOST {
            known.insert(text.digest(), (identity, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use baton_domain::{fixtures::SeededChance, ids::UserId};

    use super::*;

    fn identity() -> Identity {
        Identity {
            grant: Arc::new(Grant::unrestricted(UserId("ada".to_owned()))),
            credential: "token:1".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmation_is_relied_upon_for_a_while_and_never_beyond_the_expiry() {
        let (known, chance) = (Known::default(), SeededChance::new(1));
        let [long, short] = [(); 2].map(|()| TokenText::mint(&chance));
        known.keep(&long, identity(), None);
        known.keep(&short, identity(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(known.get(&long).is_some() && known.get(&short).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(known.get(&long).is_some() && known.get(&short).is_none());
        tokio::time::advance(RELIED_UPON).await;
        assert!(known.get(&long).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_makes_room_when_confirmations_are_old() {
        let (known, chance) = (Known::default(), SeededChance::new(1));
        for _ in 0..MOST {
            known.keep(&TokenText::mint(&chance), identity(), None);
        }
        let late = TokenText::mint(&chance);
        known.keep(&late, identity(), None);
        assert!(
            known.get(&late).is_none(),
            "there is no room, so it is looked up each time"
        );
        tokio::time::advance(RELIED_UPON).await;
        known.keep(&late, identity(), None);
        assert!(known.get(&late).is_some());
        assert_eq!(known.0.lock().expect("not poisoned").len(), 1);
    }
}
