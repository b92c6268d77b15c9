//! Word lists as sorted tables, built when the crate is compiled.

/// Makes a table of the words of a text; `tests` hold that they are sorted.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        pub(super) const $name: &[&[u8]] = &{
            const COUNT: usize = count($text.as_bytes());
            table::<COUNT>($text.as_bytes())
        };
    };
}

words! {
    /// Words that say "here stands a secret", "this is not real" or "the usual default".
    STAND =
        "abc abcd access account admin administrator anonymous api apikey apisecret apitoken auth authorization \
         bad bar baz bearer bogus changeit changeme clear client clientid clientsecret code consumer correct \
         credential credentials creds default demo dummy empty encrypted encryption enter example examples \
         expired fake false fill fixme foo foobar guest hidden hmac incorrect insecure insert invalid jwt key \
         keys license login masked master missing mock mypass nil none nopass nosecret nothing null oauth omitted \
         pass passcode passphrase passwd password passwords passwort phrase pin placeholder private privatekey \
         provide psk public publickey pw pwd redacted refresh removed replace replaceme root sample secret \
         secretkey secrets session signing some somepass stub test tester testing tests tk todo token tokens true \
         undefined unknown unsecure unset unspecified user username users wrong xxx xxxx xxxxx xxxxxx yes your \
         yours yyy yyyy zzz"
}

words! {
    /// Words that may stand beside those.
    FILLER =
        "an and another any app application are as at aws azure base be blank bot by cert certificate change \
         cloud common config content custom data database db deploy dev different do domain email env \
         environment external file first for from generated git github gitlab global go goes good google has \
         hash hello here host id important in internal is it item jenkins ldap local localhost long longer \
         machine mail main me mongo must my mysql name new nice no not number of ok old on one only or org \
         other our own phone please postgres prod production project proxy random raw real redis repo safe \
         same second secure security select server service set setting shared short should simple site size \
         smtp something stage staging store string strong super system text that the there this to too top \
         two type url use used uuid val valid value values var very via weak web webhook what whatever when \
         with word world you"
}

words! {
    /// Last words that make the name that of something about a secret.
    OTHER_HEADS =
        "address age alg algo algorithm amount app arg args argument arn array assert at atime attempt attempts \
         attr attribute audience author authority bits block board body box bucket builder button bytes cache \
         callback cert certificate challenge change changed char chars check checked checksum class cmd col color \
         column command comment complexity component config configuration constraint container contains context \
         controller converter cost count counter created creator ctime curve date days decode def definition desc \
         description details dialog digest digits dir directory disabled doc docs domain down duration element \
         email emit enabled encode encoder encoding endpoint entropy entry enum equal equals error errors etag \
         event events exception exists expect expiration expires expiry ext extension factory failed failure \
         feature field fields file filename filepath files filter fingerprint flag flow fn folder form format \
         frame function generator get getter grant group handler hash hashed hasher hashes header headers help \
         hint history host hostname icon id identifier ids idx image in incorrect index info input instance \
         interval invalid is issuer item items join keyboard kid kind label lang language len length letters \
         level life lifetime limit line link list listener loc locale location lock log manager map mask match \
         matched matches max message messages method methods min mismatch missing mode model module msg mtime \
         name names namespace needed node nonce note number object offset operator option options order origin \
         output owner page pair panel param parameter params parser path pattern period placeholder policies \
         policy port position prefix press pressed print printf property protocol provider providers purpose \
         query reader realm reason recovery ref reference regex regexp region replace repository request required \
         reset resolver resource response result ring role rotation route row rule rules salt schema scheme \
         schemes scope scopes screen script section selector separator server service services set setting \
         settings setup sha signature size sizes source space spec split state status step storage store strategy \
         strength strip style subject suffix table tag tags target template text thumbprint time timeout \
         timestamp tip title to toggle tooltip topic transport trigger trim ttl type types up uri url urls usage \
         usages user username users validator validity var variable vault verifier version view visible volume \
         warning window word words writer wrong"
}

words! {
    /// Words that stay out when the head is looked for.
    TAILS =
        "again b64 base64 clear cleartext confirm confirmation constant current default dev development \
         encoded for hex live local new of old plain plaintext prod production raw repeat sandbox secure \
         staging str string test testing unencrypted utc val value"
}

words! {
    /// First words that make the name a question, a label or an action.
    VERBS =
        "allow ask assert can change check clear compare contains decrypt delete disable display does encrypt \
         ends equal equals error expect expire expired fetch find forget forgot format generate handle has \
         hash have hide info invalid is join log matches max min missing must need needs no num on print \
         printf println prompt read recover remember remove replace require requires reset revoke rotate \
         should show skip sprintf starts strcasecmp strcmp streq strequal strncmp support supports toggle \
         total update validate verify warn was will with without wrong"
}

words! {
    /// Words for a password.
    PASSWORDS =
        "adgangskode contrasena contrasenya geheim hasla haslo hesla heslo jelszo kennwort losenord lozinka \
         motdepasse parola parole pass passcode passkey passord passphrase passw passwd password passwords passwort \
         passwrd psk psswd psw pswd pw pwd salasana senha sifre wachtwoord"
}

words! {
    /// Words for other secrets.
    TOKENS =
        "accesskey apikey apikeys apitoken appsecret authkey authorization authtoken bearer clientsecret cred \
         credential credentials creds encryptionkey jwt masterkey otp pat privatekey privkey secret secretkey \
         secrets sharedkey signingkey token tokens totp xapikey"
}

words! {
    /// Words before `key` that make it a secret.
    SECRET_KEYS =
        "access account admin aes api app application auth authentication authorization bot cipher client \
         consumer cookie crypt crypto customer data decryption deploy des developer dsa ec ecdsa encrypt \
         encryption hmac host identity ingest ingestion integration jwt licence license mac master merchant \
         pay personal priv private read registration root rsa secret security server service session shared \
         sign signature signing ssh ssl storage stream subscription support symmetric team tls token user \
         validation verification webhook write"
}

words! {
    /// Words before `key` or `token` that make it none.
    NO_SECRETS =
        "anti antiforgery arrow authenticity batch bos bucket cache cancel cancellation class cls color \
         column composite compound config constraint continuation csrf cursor design dict dictionary \
         down end enter eos esc escape field first foreign form function gpg group hot i18n idempotency image \
         index key label last lexer locale lookup map mask max menu message meta min next num object pad page \
         pagination paging parent partition pgp press primary pub public publishable query range react redis \
         registry request resource resume route routing row sep sequence shift shortcut site sitekey socket sort \
         special start state stop sync tab tenant total translation trie unique unk up verification websocket \
         xsrf"
}

words! {
    /// Words that end in `pass` and are none.
    NO_PASSES =
        "bandpass bypass compass encompass highpass htpasswd lowpass multipass nopass nopasswd nopassword overpass \
         renderpass singlepass subpass surpass trespass underpass"
}

words! {
    /// Words of programs and data that are values of their own.
    WORDS =
        "any array ascii auto base64 binary bool boolean byte bytearray bytes char const date disabled double \
         enabled error fail failed failure false final float func function hex int integer interface invalid \
         latin1 let list long map md5 name never new nil none null nullptr number object off ok on optional \
         passed required return self sha1 sha256 sha512 skip skipped static str string struct success text this \
         true type undefined unit unknown utf8 uuid value var varchar void warn yes"
}

words! {
    /// Usual endings of file names.
    ENDINGS =
        "asc bin cer cert cfg cnf conf config crt csr css csv db der dll doc enc env exe gif go gpg gz html \
         ico ini jar java jks jpg js json jsp jsx key keystore lock log md mjs p12 p8 pdf pem pfx php png ppk \
         properties ps1 pub py rb rs rst scss secret service sh so sql svg tar tf toml ts tsx txt vue xml \
         yaml yml zip"
}

words! {
    /// Last parts of domain names.
    TOPS =
        "app biz ch cn co com de dev edu eu fr gov info int internal invalid io jp local localhost me mil net \
         nl org ru svc test tv uk us"
}

words! {
    /// Words anywhere in a name that make it a question, an option or an action.
    ASKS =
        "ask asks forgot has is no prompt without"
}

words! {
    /// Words of functions that keep what they are handed.
    KEEPS =
        "add append attribute config configure connect create credentials define env environment export field \
         header init insert login map new option pair param parameter patch post prop property put replace \
         save secret set setenv setitem store system update upsert var with write"
}

words! {
    /// Words anywhere in a name that make its value a digest, a cipher text or public.
    DERIVED =
        "argon bcrypt checksum crypted digest encrypted etag fingerprint hash hashed md5 pbkdf public sha"
}

words! {
    /// Words that hold sentences together, and those of sentences about passwords.
    GRAMMAR =
        "a about above account after all also am an and any are as ask at authentication be because been \
         before being below between both but by can cannot change changed characters check choose click \
         confirm contain contains could create current de der des did die do does don enter est et every \
         example field for forgot from get give has have he her here his how however if in include includes \
         into invalid is it its le least length letters login long los match matches may me minimum missing \
         more must my need needs never new no not now of off old on once one only optional or other our out \
         over own please prompt provide que read repeat required requires reset retype same see send sent set \
         she short should show since so some stored string strong such supplied than that the their them then \
         there these they this those to too type typed un under une until up use used user uses using valid \
         value van verify very via von was we weak were what when where whether which while who will with \
         without would wrong you your"
}

words! {
    /// Words before `code` that make it a secret.
    SECRET_CODES =
        "access auth authorization pass security"
}

/// Looks `word` up in a table, ignoring case.
pub(super) fn contains(table: &[&[u8]], word: &[u8]) -> bool {
    table
        .binary_search_by(|entry| {
            entry
                .iter()
                .copied()
                .cmp(word.iter().map(u8::to_ascii_lowercase))
        })
        .is_ok()
}

/// Returns the number of words in `text`, which single blanks part.
const fn count(text: &[u8]) -> usize {
    let mut words = 1;
    let mut i = 0;
    while i < text.len() {
        if text[i] == b' ' {
            words += 1;
        }
        i += 1;
    }
    words
}

/// Returns the words of `text`.
const fn table<const N: usize>(text: &'static [u8]) -> [&'static [u8]; N] {
    let mut words: [&[u8]; N] = [&[]; N];
    let mut rest = text;
    let mut word = 0;
    while word < N {
        let mut end = 0;
        while end < rest.len() && rest[end] != b' ' {
            end += 1;
        }
        let (head, tail) = rest.split_at(end);
        words[word] = head;
        rest = match tail.split_first() {
            Some((_, tail)) => tail,
            None => tail,
        };
        word += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_lower_case_words() {
        for table in [
            STAND,
            FILLER,
            OTHER_HEADS,
            TAILS,
            VERBS,
            PASSWORDS,
            TOKENS,
            SECRET_KEYS,
            NO_SECRETS,
            NO_PASSES,
            WORDS,
            ENDINGS,
            TOPS,
            DERIVED,
            SECRET_CODES,
            ASKS,
            KEEPS,
            GRAMMAR,
        ] {
            assert!(table.iter().all(|w| {
                !w.is_empty()
                    && w.iter()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            }));
            for pair in table.windows(2) {
                assert!(pair[0] < pair[1], "{}", String::from_utf8_lossy(pair[1]));
            }
        }
    }

    #[test]
    fn words_are_found_in_any_case() {
        assert!(contains(PASSWORDS, b"PassWord") && !contains(PASSWORDS, b"passwor"));
    }
}
