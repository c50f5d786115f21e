# What the gate says to senders, in English (Fluent: https://projectfluent.org).
#
# To change a sentence: put here, in the folder rules/texts of your configuration, only the texts that you change, under the same name and
# with the same variables { $… }. What is missing is taken from the shipped texts. `postern check` says what is wrong, with its line.
#
# The texts smtp-* are SMTP replies: on one line, without accents once they are sent, and { $reference } comes first, because many clients
# show the first sixty characters only.

## SMTP replies

smtp-accepted = { $reference } accepted
smtp-held = { $reference } held for review
smtp-refused = { $reference } { $cause } to { $domain }
smtp-refused-recipients = Recipients concerned: { $recipients }{ $others ->
    [0] {""}
   *[other] {" "}(+{ $others })
}
smtp-confirm = To send it all the same: send the same message again within the hour with [confirm { $reference } your reason] in the Subject.
smtp-review = To have a person look at it: send it again within the hour with [review { $reference } your reason] in the Subject.
smtp-malformed = { $reference } ambiguous or malformed message: { $what }
smtp-not-yours = { $reference } sender not allowed: { $what }
smtp-look-up-failed = { $reference } key look-up failed for now, try again
smtp-groups-unknown = { $reference } directory not reachable for now, try again
smtp-too-large = { $reference } too large for so many encrypted recipients, send to fewer at a time
smtp-cannot-encrypt = { $reference } cannot encrypt for now, nothing was sent
smtp-cannot-seal-utf8 = { $reference } to be encrypted or signed: write From, To and Cc with ASCII addresses
smtp-cannot-sign = { $reference } cannot sign for now, nothing was sent
smtp-cannot-hold = { $reference } cannot hold for now, nothing was kept
smtp-over-quota = { $reference } sending quota reached, try again later
smtp-full = { $reference } insufficient storage, try again later
smtp-not-stored = { $reference } cannot store, try again later
smtp-broken = { $reference } internal error, try again later
smtp-answer-taken = { $reference } the reference { $used } was used already; send the message again without it

## Why [confirm …] or [review …] was not followed

answer-unknown = { $used } is no reference of a refusal of yours within the last hour.
answer-unreadable = The reference in the brackets cannot be read: it has twelve signs after PST-.
answer-used = { $used } was used already: each reference serves once. Use the one of this refusal.
answer-expired = { $used } is no longer valid: more than an hour has passed. Use the reference of this refusal.
answer-recipients = { $used } is good for the recipients of the refused message only.
answer-changed = { $used } is good for the refused message only, and this one is not the same. Use the reference of this refusal.
answer-not-confirmed = This refusal cannot be lifted by confirming.
answer-not-reviewed = This refusal cannot be given to a person for review.
answer-signed = The words in brackets are part of what your client signed and cannot be taken out. Send it without a signature.
answer-several = The message has several Subject fields: the words in brackets were not followed.

## What all notices share

moment = { $year }-{ $month }-{ $day } { $time } (UTC)
message-described =
    Reference: { $reference }
    Sent: { $at }
recipients-heading = Recipients:
recipients-others = { $count ->
    [one] {"  "}and { $count } other
   *[other] {"  "}and { $count } others
}
closing = Questions? Write to { $postmaster } and quote the reference.

## Notice of a held message

held-subject = Message held for review
held =
    Hello,

    Your message has not left yet: it is held for review{ $asked ->
        [yes] , as you asked
       *[no] {""}
    }.

    { $described }
held-causes = Reason:
held-next =
    What happens next:
    - an authorised person reviews it;
    - if it is accepted it leaves at once, protected as it has to be;
    - if it is refused you are told by mail;
    - without a decision within { $days ->
        [one] { $days } day
       *[other] { $days } days
    } it is dropped and you are told.

    There is no need to send it again.

## Notice of a refused message (advice)

refused-subject = Message refused: why, and what to do
refused =
    Hello,

    Your message has not left: it was refused. Nothing was sent and nothing is kept.

    { $described }
lesson-found-heading = What was found:
lesson-cause-heading = Reason:
lesson-found = - { $what }, { $count ->
    [one] { $count } value
   *[other] { $count } different values
}: { $places }
lesson-unreadable = - { $reason }: { $places }
lesson-places-more = and elsewhere
lesson-why-heading = Why it matters:
lesson-advice-heading = What to do:
lesson-advice-key = Ask the recipient for a certificate or an encryption key, then send the message again.
lesson-advice-remove = Take out what is not needed, then send the message again.
lesson-advice-corrected = Once the message is corrected, simply send it again, without any words in brackets.
lesson-confirm = If you mean to send it, send the same message to the same recipients again within the hour, with [confirm { $reference } your reason] in the Subject. Your reason is recorded.
lesson-review = If you think that this is a mistake, send it again within the hour with [review { $reference } your reason] in the Subject: a person will look at it.

place-body = text of the message
place-subject = Subject of the message
place-header = header of the message
place-attachment = attachment { $number } ({ $kind })
place-attachment-page = attachment { $number } ({ $kind }), page { $page }
place-name = name of attachment { $number }
place-inside = attached item ({ $kind })
place-elsewhere = elsewhere in the message

kind-office = document
kind-pdf = PDF
kind-archive = archive
kind-image = picture
kind-text = text
kind-message = message
kind-sealed = encrypted message
kind-executable = program
kind-other = file

unreadable-password = protected by a password
unreadable-damaged = damaged file
unreadable-over-budget = too complex to be read
unreadable-unsupported = format that cannot be read
unreadable-client-encrypted = encrypted to an unknown key

why-identity = With an identity number somebody can pose as its owner; the GDPR (article 32) asks that it be protected.
why-finance = Bank details are used for fraud; a mail in clear can be read like a postcard.
why-health = Health data is among the best protected by law (GDPR, article 9): it leaves only encrypted.
why-secret = A password or key that somebody else reads opens your systems, often without anybody noticing.
why-marking = This marking limits who may receive the document, and by what means.
why-education = The data of pupils and staff, often of minors, is only for those who need it.
why-hr = A member of staff's file is for few eyes.
why-legal = One recipient too many can spoil a procedure or a tender.
why-technical = This describes the organisation or its systems to people who need not know.
why-unreadable = What cannot be read cannot be checked: an attachment may hold something else than you think.
why-mailbox = What arrives in a personal mailbox is out of the hands of the organisation, and of those whose data it is, for good.
why-other = A rule of your organisation applies to this message.

## Notices of what a person decided

rejected-subject = Message refused after review
rejected =
    Hello,

    Your message was held for review and has been refused. It was sent to no recipient and its content is not kept.

    { $described }

    If it still has to be sent, first agree on the means with the person in charge of data protection.
released-subject = Message accepted after review
released =
    Hello,

    Your message was held for review and has been accepted: it is on its way.

    { $described }
hold-expired-subject = Message dropped without review
hold-expired =
    Hello,

    Your message was held for review and nobody decided in time: it was dropped. It was sent to no recipient.

    { $described }

    If it is still needed, send it again.

## Notices of delivery

password-not-told-subject = Password not told
password-not-told =
    Hello,

    Your message left encrypted, in a file that a password protects, and the password could not be told to its recipient, who cannot read your message.

    { $described }

    Agree on a password with them (your IT department keeps it), then send the message again.
failed-subject = Message not delivered
failed =
    Hello,

    Your message could not be delivered to the following recipients. It will not be tried again.
delayed-subject = Message delayed
delayed =
    Hello,

    Your message could not yet be delivered to the following recipients. You need not do anything: it is tried again until { $until }, and you will be told if it fails.
relayed-subject = Message handed on
relayed =
    Hello,

    You asked to hear of the delivery. Your message was handed to the next server, which does not confirm by itself: there will be no other confirmation for these recipients. You will be told if it fails.
outcome-not-international =
    the next server does not take addresses with letters beyond the English ones (é, ü, 用…); ask the recipient for another address.
    the next server answered: { $reply }
outcome-refused = the next server answered: { $reply }
outcome-expired = the time for delivery has run out.
outcome-expired-last = the time for delivery has run out. Last answer: { $reply }
outcome-damaged = the stored copy is damaged and was not sent; send the message again.
outcome-not-yet = not yet reachable.
outcome-not-yet-last = last answer: { $reply }
