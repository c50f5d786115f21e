# Ce que la passerelle dit aux expéditeurs, en français (format Fluent : https://projectfluent.org).
#
# Pour changer une phrase : copiez ici, dans le dossier rules/texts de votre configuration, les seuls textes que vous changez, sous le même
# nom et avec les mêmes variables { $… }. Ce qui manque est repris des textes livrés. `postern check` dit ce qui ne va pas, avec la ligne.
#
# Les textes smtp-* sont des réponses SMTP : sur une ligne, sans accents une fois envoyés, et { $reference } y vient d'abord, car beaucoup de
# logiciels ne montrent que les soixante premiers caractères.

## Réponses SMTP

smtp-accepted = { $reference } accepté
smtp-held = { $reference } retenu pour examen
smtp-refused = { $reference } { $cause } vers { $domain }
smtp-refused-recipients = Destinataires concernés : { $recipients }{ $others ->
    [0] {""}
   *[other] {" "}(+{ $others })
}
smtp-confirm = Pour l'envoyer quand même : renvoyez le même message dans l'heure avec [confirme { $reference } votre motif] dans l'objet.
smtp-review = Pour le faire examiner par une personne : renvoyez-le dans l'heure avec [examen { $reference } votre motif] dans l'objet.
smtp-malformed = { $reference } message ambigu ou malformé : { $what }
smtp-not-yours = { $reference } expéditeur non autorisé : { $what }
smtp-look-up-failed = { $reference } recherche de clé impossible pour l'instant, réessayez
smtp-groups-unknown = { $reference } annuaire injoignable pour l'instant, réessayez
smtp-too-large = { $reference } trop volumineux pour autant de destinataires chiffrés, envoyez en plusieurs fois
smtp-cannot-encrypt = { $reference } chiffrement impossible pour l'instant, rien n'a été envoyé
smtp-cannot-seal-utf8 = { $reference } à chiffrer ou signer : écrivez De, À et Cc avec des adresses ASCII
smtp-cannot-sign = { $reference } signature impossible pour l'instant, rien n'a été envoyé
smtp-cannot-hold = { $reference } mise en attente impossible pour l'instant, rien n'a été gardé
smtp-over-quota = { $reference } quota d'envoi atteint, réessayez plus tard
smtp-full = { $reference } espace insuffisant, réessayez plus tard
smtp-not-stored = { $reference } enregistrement impossible, réessayez plus tard
smtp-broken = { $reference } erreur interne, réessayez plus tard
smtp-answer-taken = { $reference } la référence { $used } a déjà servi ; renvoyez le message sans elle

## Pourquoi [confirme …] ou [examen …] n'a pas été suivi

answer-unknown = { $used } n'est pas une référence d'un de vos refus de l'heure écoulée.
answer-unreadable = La référence entre crochets n'est pas lisible : elle a douze signes après PST-.
answer-used = { $used } a déjà servi : chaque référence ne sert qu'une fois. Employez celle de ce refus-ci.
answer-expired = { $used } n'est plus valable : il y a plus d'une heure. Employez la référence de ce refus-ci.
answer-recipients = { $used } ne vaut que pour les destinataires du message refusé.
answer-changed = { $used } ne vaut que pour le message refusé, et celui-ci n'est pas le même. Employez la référence de ce refus-ci.
answer-not-confirmed = Ce refus ne peut pas être levé par une confirmation.
answer-not-reviewed = Ce refus ne peut pas être soumis à examen.
answer-signed = La mention entre crochets est dans ce que votre logiciel a signé : elle n'en peut être retirée. Envoyez sans signature.
answer-several = Le message a plusieurs champs Subject : la mention entre crochets n'a pas été suivie.

## Ce que tous les avis ont en commun

moment = { $day }/{ $month }/{ $year } à { $time } (UTC)
message-described =
    Référence : { $reference }
    Envoyé le : { $at }
recipients-heading = Destinataires :
recipients-others = { $count ->
    [one] {"  "}et { $count } autre
   *[other] {"  "}et { $count } autres
}
closing = Une question ? Écrivez à { $postmaster } en citant la référence.

## Avis d'un message retenu

held-subject = Message retenu pour examen
held =
    Bonjour,

    Votre message n’est pas encore parti : il est retenu pour examen{ $asked ->
        [yes] , comme vous l’avez demandé
       *[no] {""}
    }.

    { $described }
held-causes = Motif :
held-next =
    Ce qui va se passer :
    - une personne habilitée l’examine ;
    - si elle l’accepte, il part aussitôt, protégé comme il doit l’être ;
    - si elle le refuse, vous en êtes averti par courriel ;
    - sans décision sous { $days ->
        [one] { $days } jour
       *[other] { $days } jours
    }, il est abandonné et vous en êtes averti.

    Il est inutile de le renvoyer.

## Avis d'un message refusé (conseil)

refused-subject = Message refusé : pourquoi, et que faire
refused =
    Bonjour,

    Votre message n’est pas parti : il a été refusé. Rien n’a été envoyé, rien n’est gardé.

    { $described }
lesson-found-heading = Ce qui a été trouvé :
lesson-cause-heading = Motif :
lesson-found = - { $what }, { $count ->
    [one] { $count } valeur
   *[other] { $count } valeurs différentes
} : { $places }
lesson-unreadable = - { $reason } : { $places }
lesson-places-more = et ailleurs
lesson-why-heading = Pourquoi c’est important :
lesson-advice-heading = Que faire :
lesson-advice-key = Demandez au destinataire un certificat ou une clé de chiffrement, puis renvoyez le message.
lesson-advice-remove = Retirez ce qui n’est pas nécessaire, puis renvoyez le message.
lesson-advice-corrected = Une fois le message corrigé, renvoyez-le simplement, sans aucune mention.
lesson-confirm = Si cet envoi est voulu, renvoyez le même message aux mêmes destinataires dans l’heure, avec [confirme { $reference } votre motif] dans l’objet. Votre motif est enregistré.
lesson-review = Si vous pensez que c’est une erreur, renvoyez-le dans l’heure avec [examen { $reference } votre motif] dans l’objet : une personne l’examinera.

place-body = texte du message
place-subject = objet du message
place-header = en-tête du message
place-attachment = pièce jointe { $number } ({ $kind })
place-attachment-page = pièce jointe { $number } ({ $kind }), page { $page }
place-name = nom de la pièce jointe { $number }
place-inside = élément joint ({ $kind })
place-elsewhere = ailleurs dans le message

kind-office = document
kind-pdf = PDF
kind-archive = archive
kind-image = image
kind-text = texte
kind-message = message
kind-sealed = message chiffré
kind-executable = programme
kind-other = fichier

unreadable-password = protégé par un mot de passe
unreadable-damaged = fichier endommagé
unreadable-over-budget = trop complexe pour être lu
unreadable-unsupported = format qui ne peut pas être lu
unreadable-client-encrypted = chiffré pour une clé inconnue

why-identity = Un numéro d’identité permet d’usurper celle d’une personne ; le RGPD (article 32) demande de le protéger.
why-finance = Des coordonnées bancaires servent à la fraude ; en clair, un courriel se lit comme une carte postale.
why-health = Les données de santé sont parmi les plus protégées (RGPD, article 9) : elles ne sortent que chiffrées.
why-secret = Un mot de passe ou une clé lus par un tiers ouvrent vos systèmes, souvent sans que personne le remarque.
why-marking = Cette mention limite qui peut recevoir le document et par quel moyen.
why-education = Les données des élèves et des agents, souvent de mineurs, ne sont destinées qu’à ceux qui en ont besoin.
why-hr = Le dossier d’un agent n’est destiné qu’à peu de personnes.
why-legal = Une procédure ou un marché peut être compromis par un seul destinataire de trop.
why-technical = Ces éléments décrivent l’organisation ou ses systèmes à qui n’a pas à les connaître.
why-unreadable = Ce qui ne peut pas être lu ne peut pas être contrôlé : une pièce peut contenir autre chose que ce que vous croyez.
why-mailbox = Ce qui arrive dans une boîte personnelle échappe pour toujours à l’organisation et à ceux dont les données s’y trouvent.
why-other = Une règle de votre organisation s’applique à cet envoi.

## Avis de ce qu'une personne a décidé

rejected-subject = Message refusé après examen
rejected =
    Bonjour,

    Votre message, retenu pour examen, a été refusé. Il n’a été envoyé à aucun destinataire et son contenu n’est pas conservé.

    { $described }

    Si l’envoi reste nécessaire, convenez d’abord du moyen avec la personne chargée de la protection des données.
released-subject = Message accepté après examen
released =
    Bonjour,

    Votre message, retenu pour examen, a été accepté : il est en route.

    { $described }
hold-expired-subject = Message abandonné faute d’examen
hold-expired =
    Bonjour,

    Votre message était retenu pour examen et personne ne s’est prononcé à temps : il a été abandonné. Il n’a été envoyé à aucun destinataire.

    { $described }

    S’il est toujours utile, renvoyez-le.

## Avis de remise

password-not-told-subject = Mot de passe non communiqué
password-not-told =
    Bonjour,

    Votre message est parti chiffré, dans un fichier que protège un mot de passe, et ce mot de passe n’a pas pu être communiqué au destinataire : il ne peut pas lire votre message.

    { $described }

    Convenez d’un mot de passe avec lui (votre service informatique l’enregistre), puis renvoyez le message.
failed-subject = Message non remis
failed =
    Bonjour,

    Votre message n’a pas pu être remis aux destinataires suivants. Il ne sera plus essayé.
delayed-subject = Message retardé
delayed =
    Bonjour,

    Votre message n’a pas encore pu être remis aux destinataires suivants. Vous n’avez rien à faire : il est essayé de nouveau jusqu’au { $until }, et vous serez averti s’il n’aboutit pas.
relayed-subject = Message transmis
relayed =
    Bonjour,

    Vous avez demandé une confirmation de remise. Votre message a été transmis au serveur suivant, qui ne confirme pas lui-même : pour ces destinataires, il n’y aura pas d’autre confirmation. Vous serez averti en cas d’échec.
outcome-not-international =
    le serveur suivant n’accepte pas les adresses qui contiennent d’autres lettres que celles de l’anglais (é, ü, 用…) ; demandez au destinataire une autre adresse.
    réponse du serveur suivant : { $reply }
outcome-refused = réponse du serveur suivant : { $reply }
outcome-expired = le délai de remise est écoulé.
outcome-expired-last = le délai de remise est écoulé. Dernière réponse : { $reply }
outcome-damaged = la copie enregistrée est endommagée et n’a pas été envoyée ; renvoyez le message.
outcome-not-yet = pas encore joignable.
outcome-not-yet-last = dernière réponse : { $reply }
