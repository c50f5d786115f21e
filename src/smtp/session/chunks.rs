//! Turns BDAT (RFC 3030) and the counted octets behind it into the content of a message, or into a refusal once they are read over.

use super::{Action, Chunks, Envelope, Phase, Progress, Say, Session};
use crate::smtp::command::Bdat;

/// A chunk that is coming in.
pub(super) struct Chunk {
    pub(super) left: u64,
    last: bool,
    /// It is only read over, because its octets must not be taken for commands.
    refused: Option<Say>,
}

/// Refused chunks of clients that have not said who they are may be so long; then the connection ends.
const FOREIGN_CHUNK: u64 = 64 * 1024;

impl Session {
    /// A chunk is announced: whatever is to be said of it is said when its octets have come, so that none is taken for a command.
    pub(super) fn bdat(&mut self, bdat: Bdat) {
        let limits = self.profile.limits;
        if bdat.octets > 0 {
            self.counts.idle = self.counts.idle.saturating_sub(1);
        }
        let refused = match &mut self.envelope {
            None if self.identity.is_none() => Some(Say::LogInFirst),
            None => Some(Say::MailFirst),
            Some(envelope) if envelope.recipients.is_empty() && envelope.refused => Some(Say::NoRecipientLeft),
            Some(envelope) if envelope.recipients.is_empty() => Some(Say::RecipientFirst),
            Some(envelope) => {
                if envelope.chunks.is_none() {
                    let limit = usize::try_from(limits.max_message).unwrap_or(usize::MAX);
                    envelope.chunks = Some(Chunks::new(limit, limits.max_discarded));
                    self.counts.messages += 1;
                }
                None
            }
        };
        let bearable = match (refused, &self.identity) {
            (Some(_), None) => FOREIGN_CHUNK,
            (Some(_), Some(_)) => limits.max_discarded,
            (None, _) => limits.max_message.saturating_add(limits.max_discarded),
        };
        if bdat.octets > bearable {
            return self.close(refused.unwrap_or(Say::TooLarge));
        }
        self.phase = Phase::Chunk(Chunk { left: bdat.octets, last: bdat.last, refused });
    }

    /// How many of the octets belong to the chunk.
    pub(super) fn take_chunk(&mut self, octets: &[u8]) -> usize {
        let Phase::Chunk(chunk) = &mut self.phase else { return 0 };
        let used = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(octets.len());
        chunk.left -= used as u64;
        if chunk.refused.is_none()
            && let Some(chunks) = self.envelope.as_mut().and_then(|envelope| envelope.chunks.as_mut())
            && chunks.take(&octets[..used]) == Progress::Endless
        {
            self.close(Say::Endless);
        }
        used
    }

    pub(super) fn chunk_complete(&mut self) -> Option<Action> {
        let Phase::Chunk(chunk) = std::mem::replace(&mut self.phase, Phase::Command) else {
            return None;
        };
        match (chunk.refused, &mut self.envelope) {
            // Nobody's mistake but the recipients': a client that pipelines sends all its chunks.
            (Some(say @ Say::NoRecipientLeft), _) => self.say(say),
            (Some(say), _) => return self.wrong(say),
            (None, Some(Envelope { chunks: Some(chunks), .. })) => match (chunks.spoiled(), chunk.last) {
                (Some(_), false) => self.say(Say::TooLarge),
                (None, false) => self.say(Say::ChunkOk),
                (_, true) => {
                    let limits = self.profile.limits;
                    let whole = std::mem::replace(chunks, Chunks::new(0, limits.max_discarded)).finish();
                    return self.complete(whole);
                }
            },
            (None, _) => self.close(Say::Broken),
        }
        None
    }
}
