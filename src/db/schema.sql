-- Today's tables, for people to read: what every column holds, who writes it, and which query each index serves. Nothing runs this
-- file; a test in db/migrate.rs compares it with what the migrations make.
--
-- Amounts are fen, rates basis points. A column `…_at` is an instant, UTC text `2026-11-05T01:00:00Z` that sorts; a civil date is the
-- shop's own day, `2026-11-05`. Words are those of the types in domain/. A sealed column is AES-256-GCM under the customer's own key;
-- a keyed hash finds equal values without telling them. An id is a plain integer here; the letter before it is how it prints.

-- Every copy of this database whose order numbers may be met: itself, those that it was, and those that were lost. Written by `init`
-- and `adopt`; rows are never touched again.
CREATE TABLE copy (
  -- 8 letters and digits in every number that the copy made; of the first copy they are the install code, else `adopt` drew them
  code            TEXT PRIMARY KEY,
  copy_no         INTEGER NOT NULL,  -- 1 for the first; two copies that knew nothing of each other may have the same
  made_from       TEXT,  -- code of the copy that it was made from; empty for the first
  -- newest agreement that was in it when it was made, 0 for none: two copies that parted give the same next id to different agreements,
  -- so that a number of one speaks to the other of no later agreement
  last_agreement  INTEGER NOT NULL CHECK (last_agreement >= 0)
) STRICT;

-- The shop itself: one row. Written by `init`, `restore` and `adopt`.
CREATE TABLE shop (
  id              INTEGER PRIMARY KEY CHECK (id = 1),  -- always 1: there is one shop in a file
  -- 8 letters and digits drawn by `init`: the shop's identity in its backups and beside its key, whichever copy is in use
  install_code    TEXT NOT NULL,
  -- the code of this copy, part of every order and contract number, so that neither two shops nor two copies ever share one
  code            TEXT NOT NULL REFERENCES copy (code),
  copy_no         INTEGER NOT NULL,  -- which copy of the database this is, 1 at first; `adopt` raises it
  created_at      TEXT NOT NULL,  -- UTC instant of `init`
  key_check       BLOB NOT NULL,  -- the install code sealed with the shop's key: opens only with the right key file
  -- UTC instant at which this file was restored from a backup; empty again after `adopt`, and until then no money moves
  restored_at     TEXT
) STRICT;

-- Who changed what, when. One row for each change of the database, in the same transaction; rows are never touched again.
CREATE TABLE audit (
  seq             INTEGER PRIMARY KEY,  -- counts from 1 without gaps; a gap shows a removed row
  at              TEXT NOT NULL,  -- UTC instant of the change
  actor           TEXT NOT NULL,  -- the person at the machine, or `cron`
  host            TEXT NOT NULL,  -- name of the machine
  op              TEXT NOT NULL,  -- word of the change, as domain/op.rs spells it
  entity          TEXT NOT NULL,  -- the record it is about, `c-12`, `a-3/4`; empty when it is about many
  detail          TEXT NOT NULL,  -- JSON of the change; holds no names, phones or ID numbers
  prev_hash       TEXT NOT NULL,  -- hash of the row before; empty in the first
  hash            TEXT NOT NULL  -- SHA-256 in hex over prev_hash and all other columns, each with its length
) STRICT;

-- Who buys. Written by `customer`, `sign` and the imports.
CREATE TABLE customer (
  id              INTEGER PRIMARY KEY,  -- c-12
  -- the customer's own AES-256 key, sealed with the shop's key; empty once erased, and then nothing of theirs opens any more
  wrapped_key     BLOB,
  name            BLOB,  -- sealed: full name as on the ID card
  phone           BLOB,  -- sealed: mobile number, 11 digits
  id_number       BLOB,  -- sealed: ID card number, 18 characters
  address         BLOB,  -- sealed: where goods are sent; may be missing
  email           BLOB,  -- sealed: e-mail address for messages; mostly missing
  openid          BLOB,  -- sealed: the customer's id at the shop's own WeChat mini program; mostly missing
  name_hash       BLOB,  -- keyed hash of the name, first 16 bytes, for equal matches
  phone_hash      BLOB,  -- keyed hash of the phone; not unique, families share one
  id_hash         BLOB UNIQUE,  -- keyed hash of the ID number: one customer per person
  lang            TEXT NOT NULL CHECK (lang IN ('zh','en')),  -- language of the customer's messages
  created_at      TEXT NOT NULL,  -- UTC instant of the first entry
  erased_at       TEXT  -- UTC instant at which the key was destroyed; empty for everyone who is still readable
) STRICT;
-- Finding a customer by full name (`customer show NAME`, imports).
CREATE INDEX customer_name ON customer (name_hash);
-- Finding a customer by phone number.
CREATE INDEX customer_phone ON customer (phone_hash);

-- The animal and its papers. Written by `pet`, `sign`, the imports, and a settlement that brings a pet back.
CREATE TABLE pet (
  id              INTEGER PRIMARY KEY,  -- p-12
  customer_id     INTEGER REFERENCES customer (id),  -- its owner; empty while it belongs to the shop
  name            TEXT NOT NULL,  -- its name, not sealed
  species         TEXT NOT NULL,  -- cat, dog, rabbit, other
  breed           TEXT NOT NULL,  -- as typed; may be empty
  sex             TEXT NOT NULL CHECK (sex IN ('male','female','unknown')),  -- as known to the shop
  birth_date      TEXT,  -- civil date, where known
  birth_estimated INTEGER NOT NULL CHECK (birth_estimated IN (0,1)),  -- 1 when the birth date is a guess
  chip_no         TEXT UNIQUE,  -- microchip number, where there is one
  quarantine_no   TEXT,  -- number of the animal quarantine certificate, where there is one
  source          TEXT NOT NULL,  -- where the shop has it from: breeder, rescue, unknown …
  reference_cost  INTEGER NOT NULL CHECK (reference_cost >= 0),  -- fen: what the pet cost the shop; shown at signing, no price
  -- where it is; a pet that died, was lost or returned stops its debits
  status          TEXT NOT NULL CHECK (status IN ('in_shop','reserved','adopted','returned','died','lost')),
  status_on       TEXT NOT NULL,  -- civil date since when
  note            TEXT NOT NULL,  -- a remark; holds no personal data
  created_at      TEXT NOT NULL  -- UTC instant at which it was entered; for people who look, no code reads it
) STRICT;
-- The pets of a customer, and a customer's pet by its name (imports).
CREATE INDEX pet_customer ON pet (customer_id);

-- Plans on offer. Agreements keep their own copy of what was signed. Written by `init` and `plan`.
CREATE TABLE plan (
  id              INTEGER PRIMARY KEY,  -- never shown; plans go by their code
  code            TEXT NOT NULL UNIQUE,  -- what people type: `cat-199-12`
  name_zh         TEXT NOT NULL,  -- Chinese name
  name_en         TEXT NOT NULL,  -- English name
  -- free adoption with a monthly plan, or a sale with a service package
  scenario        TEXT NOT NULL CHECK (scenario IN ('adoption','sale')),
  monthly         INTEGER NOT NULL CHECK (monthly > 0),  -- fen of each term
  terms           INTEGER NOT NULL CHECK (terms BETWEEN 1 AND 36),  -- number of monthly terms
  -- when term 1 falls due: on the day of signing, or a month later
  first_debit     TEXT NOT NULL CHECK (first_debit IN ('at_signing','next_month')),
  sale_price      INTEGER NOT NULL CHECK (sale_price >= 0),  -- fen for the pet itself; 0 in an adoption
  guarantee_days  INTEGER NOT NULL CHECK (guarantee_days >= 0),  -- days of the health guarantee
  contents_zh     TEXT NOT NULL,  -- what the customer gets, in Chinese, for the agreement's text
  contents_en     TEXT NOT NULL,  -- the same in English
  on_offer        INTEGER NOT NULL CHECK (on_offer IN (0,1)),  -- 0 after `plan withdraw`: not signed any more, still shown with --all
  created_at      TEXT NOT NULL  -- UTC instant of the first version; for people who look, no code reads it
) STRICT;

-- What was signed, frozen; below `shown` stands what happens to it later. Written by `sign`, `agreement` and the import; the debit
-- run resumes, completes and counts failures.
CREATE TABLE agreement (
  id              INTEGER PRIMARY KEY,  -- a-12
  no              TEXT NOT NULL UNIQUE,  -- printed number: KB-2026-000123, or that of the earlier book
  customer_id     INTEGER NOT NULL REFERENCES customer (id),  -- who signed
  pet_id          INTEGER NOT NULL REFERENCES pet (id),  -- for which pet
  plan_code       TEXT NOT NULL,  -- plan at signing
  plan_name       TEXT NOT NULL,  -- its name at signing, in the language of the text
  source          TEXT NOT NULL CHECK (source IN ('signed','imported')),  -- signed here, or imported from the shop's earlier book
  -- waiting for the customer's mandate, running, paused, over, being settled, settled, never begun
  state           TEXT NOT NULL CHECK (state IN ('waiting','active','paused','completed','settling','ended','cancelled')),
  monthly         INTEGER NOT NULL CHECK (monthly > 0),  -- fen of each term
  terms           INTEGER NOT NULL CHECK (terms BETWEEN 1 AND 36),  -- number of terms, those collected before kibble included
  -- day of the month of every debit; shorter months take their last day
  anchor_day      INTEGER NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
  first_debit     TEXT NOT NULL CHECK (first_debit IN ('at_signing','next_month')),  -- as in the plan at signing
  signed_on       TEXT NOT NULL,  -- civil date of signing; due dates are counted from it
  signed_at       TEXT NOT NULL,  -- UTC instant of signing
  active_at       TEXT,  -- UTC instant at which the rail said that the customer agreed, or of the import
  ends_on         TEXT NOT NULL,  -- civil date of its last day; a pause that extends moves it
  paid_before     INTEGER NOT NULL CHECK (paid_before >= 0),  -- terms collected before kibble; only in imported agreements
  reference_cost  INTEGER NOT NULL CHECK (reference_cost >= 0),  -- fen: the pet's reference cost as shown at signing
  conditions      TEXT NOT NULL,  -- JSON of the numbers promised in the text: days, retries, rates in bps (domain/agreement.rs, Conditions)
  lang            TEXT NOT NULL CHECK (lang IN ('zh','en')),  -- language of the text
  template        TEXT NOT NULL,  -- name and version of the text's template; `imported` for the earlier book
  text_sha256     TEXT,  -- SHA-256 in hex of the text with its digest line replaced by `-`; printed on it; empty when imported
  shown           TEXT NOT NULL,  -- JSON list of the points that were shown and agreed to one by one, with the instants; `[]` when imported
  paused_on       TEXT,  -- civil date of the pause's first day; empty when not paused
  paused_until    TEXT,  -- civil date from which it runs again; the debit run resumes it then
  -- what becomes of the terms inside the pause: moved to the end, or dropped
  pause_effect    TEXT CHECK (pause_effect IN ('extend','skip')),
  pause_shift     INTEGER NOT NULL,  -- whole months that this pause added; taken back in part by an early resumption
  shift_months    INTEGER NOT NULL,  -- whole months by which all pauses moved the terms from shifted_from on
  shifted_from    INTEGER NOT NULL,  -- first term that is moved; 1 without a pause
  failed_in_row   INTEGER NOT NULL,  -- terms that failed one after the other; back to 0 when one is paid; raises the high-risk flag
  ended_at        TEXT,  -- UTC instant of completion, termination or cancellation
  end_cause       TEXT,  -- the word for it: completed, terms_over, or the cause of the termination
  -- fingerprint of the imported row, so that the same file can be imported again without harm; empty when signed here
  import_row      TEXT,
  text_sealed     BLOB  -- sealed: the whole text that was signed; last, because it is long and read seldom
) STRICT;
-- The agreements of a customer; how many each has.
CREATE INDEX agreement_customer ON agreement (customer_id);
-- The agreements about a pet.
CREATE INDEX agreement_pet ON agreement (pet_id);
-- Pauses that are over, agreements that are finished: looked for by every debit run.
CREATE INDEX agreement_state ON agreement (state);
-- Signed, running, completed and ended in a period: the report reads this index alone.
CREATE INDEX agreement_course ON agreement (signed_on, state, active_at, ended_at, ends_on);

-- A credit check at signing. Written by `sign`, `risk check`, `risk approve` and `risk refuse`; no mandate is offered while one is open.
CREATE TABLE credit_check (
  id              INTEGER PRIMARY KEY,  -- no name of its own: it is the check of its agreement
  agreement_id    INTEGER NOT NULL UNIQUE REFERENCES agreement (id),  -- one check for each agreement
  customer_id     INTEGER NOT NULL REFERENCES customer (id),  -- whose key seals what was seen
  -- who was asked: the clerk's own eyes, Zhima Credit, or the pretended provider
  provider        TEXT NOT NULL CHECK (provider IN ('manual','zhima','sandbox')),
  threshold       INTEGER NOT NULL CHECK (threshold > 0),  -- the least score that passes, as it was set at signing
  consent_at      TEXT,  -- UTC instant of the customer's separate consent; empty when it was not given, and nobody was asked then
  consent_text    TEXT NOT NULL,  -- the sentence they were asked to consent to
  attempt         INTEGER NOT NULL CHECK (attempt >= 0),  -- how many numbers were used; a number is good for a day
  transaction_no  TEXT UNIQUE,  -- our number of the last question; the same number gets the same answer within a day
  asked_at        TEXT,  -- UTC instant at which that number was first used
  verdict         TEXT NOT NULL CHECK (verdict IN ('pass','fail','cannot_tell','error')),  -- what it said; `error` until an answer is written
  checked_on      TEXT NOT NULL,  -- the shop's day of the answer, or the day on which the clerk saw the score
  seen            BLOB,  -- sealed: score and reference to the proof, as JSON
  provider_no     TEXT,  -- the provider's number of its answer
  said            TEXT NOT NULL,  -- the provider's own words; nothing personal
  recorded_by     TEXT NOT NULL,  -- the person at the machine
  review          TEXT NOT NULL CHECK (review IN ('none','open','approved','refused')),  -- whether a person must decide, or how one decided
  decided_at      TEXT,  -- UTC instant of the decision
  decided_by      TEXT,  -- who decided
  decide_reason   TEXT,  -- why
  -- a check that nobody consented to cannot have passed
  CHECK (verdict <> 'pass' OR consent_at IS NOT NULL)
) STRICT;
-- Checks that wait for a decision (`risk list`, `doctor`).
CREATE INDEX credit_check_open ON credit_check (agreement_id) WHERE review = 'open';

-- Permissions to debit. Written by `sign`, `mandate`, `agreement` and the debit run, which asks the rail how they stand.
CREATE TABLE mandate (
  id              INTEGER PRIMARY KEY,  -- m-12
  agreement_id    INTEGER NOT NULL REFERENCES agreement (id),  -- for which agreement
  lane            INTEGER NOT NULL CHECK (lane >= 1),  -- 1 is tried first, 2 when lane 1 is declined
  rail            TEXT NOT NULL,  -- name of the payment rail in shop.toml
  contract_no     TEXT NOT NULL UNIQUE,  -- our number, derived from the install code; the rail knows the mandate by it
  provider_no     TEXT,  -- the rail's number; known once live
  -- waiting for the customer, live, closing until the rail confirms, and three ways of being over
  state           TEXT NOT NULL CHECK (state IN ('waiting','live','closing','closed','revoked','expired')),
  valid_until     TEXT NOT NULL,  -- civil date of the last day on which it may be used
  created_at      TEXT NOT NULL,  -- UTC instant at which the customer was asked
  signed_at       TEXT,  -- UTC instant at which the customer agreed, as the rail says
  ended_at        TEXT,  -- UTC instant of its end, or of the wish to close it
  end_cause       TEXT  -- the word for why it ended or is to end; the first one said stays
) STRICT;
-- At most one usable mandate in each lane of an agreement.
CREATE UNIQUE INDEX mandate_lane ON mandate (agreement_id, lane) WHERE state IN ('waiting','live');
-- The mandates of an agreement; the live one of a lane, for every due term.
CREATE INDEX mandate_agreement ON mandate (agreement_id);
-- Mandates to ask the rail about: waiting and closing ones, by every debit run.
CREATE INDEX mandate_open ON mandate (state, id) WHERE state IN ('waiting','closing');

-- What falls due when, and how collecting it goes. Written by activation, import, `debit` and pauses; collected terms are never deleted.
CREATE TABLE installment (
  agreement_id    INTEGER NOT NULL REFERENCES agreement (id),  -- of which agreement
  term            INTEGER NOT NULL CHECK (term >= 1),  -- 1, 2, 3 …; prints as a-12/3
  due             TEXT NOT NULL,  -- civil date agreed with the customer
  registered      TEXT NOT NULL,  -- civil date registered with the rail; equal to due where the rail keeps none of its own
  amount          INTEGER NOT NULL CHECK (amount > 0),  -- fen
  -- to be collected, collected, collected before kibble, dropped, collected and given back
  state           TEXT NOT NULL CHECK (state IN ('open','paid','before','cancelled','refunded')),
  -- of an open term: not tried, declined with retries to come, last retry failed, window passed without a decided attempt
  course          TEXT NOT NULL CHECK (course IN ('planned','failing','failed','missed')),
  lane            INTEGER NOT NULL,  -- which mandate's turn it is
  failures        INTEGER NOT NULL,  -- rounds that failed; a round tries every lane
  first_failed_at TEXT,  -- UTC instant at which the first round failed; retries are counted from it
  next_try_at     TEXT,  -- UTC instant before which it is not tried again
  announced_at    TEXT,  -- UTC instant at which the announcement was queued; empty again when the term is moved
  charge_from     TEXT,  -- UTC instant from which the announcement allows a charge; empty until its channel took it
  paid_at         TEXT,  -- UTC instant at which the money moved
  told_failures   INTEGER NOT NULL,  -- failed rounds of which the customer has been told
  overdue_level   INTEGER NOT NULL,  -- highest overdue reminder sent, 0 to 5
  overdue_told_on TEXT,  -- civil date of that reminder
  PRIMARY KEY (agreement_id, term)  -- one row for each term
) STRICT;
-- Terms due in a period, whatever became of them: reports.
CREATE INDEX installment_day ON installment (due);
-- The due list of the debit run: open terms still charged by themselves, oldest first. Paid terms of past years cost nothing.
CREATE INDEX installment_due ON installment (due, agreement_id, term) WHERE state = 'open' AND course IN ('planned','failing');
-- Open terms whose announcement is still to be queued.
CREATE INDEX installment_unannounced ON installment (due, agreement_id, term) WHERE state = 'open' AND announced_at IS NULL;
-- Overdue list: open terms whose tries are over.
CREATE INDEX installment_over ON installment (due, agreement_id, term) WHERE state = 'open' AND course IN ('failed','missed');

-- Notices given of a term: the law's, the rail's, the agreement's own. Written at activation, at delivery of a message, and by the
-- debit run; a term that is moved loses them.
CREATE TABLE notice (
  agreement_id    INTEGER NOT NULL,  -- of which agreement
  term            INTEGER NOT NULL,  -- of which term
  -- signing: the agreement itself; message: the 48-hour announcement; heads_up: an earlier reminder; rail: asked of the rail
  kind            TEXT NOT NULL CHECK (kind IN ('signing','message','heads_up','rail')),
  lane            INTEGER NOT NULL,  -- the mandate's lane for a rail's notice, else 0
  due             TEXT NOT NULL,  -- civil date that was announced
  amount          INTEGER NOT NULL,  -- fen that were announced
  given_at        TEXT NOT NULL,  -- UTC instant at which it was given
  PRIMARY KEY (agreement_id, term, kind, lane),  -- the newest of each kind counts
  FOREIGN KEY (agreement_id, term) REFERENCES installment (agreement_id, term)  -- of a term that exists
) STRICT;

-- One attempt to collect a term. Noted before the rail hears of it, answered afterwards; never deleted. Written by `debit`.
CREATE TABLE charge (
  id              INTEGER PRIMARY KEY,  -- k-12
  agreement_id    INTEGER NOT NULL,  -- of which agreement
  term            INTEGER NOT NULL,  -- of which term
  -- 1, 2, 3 … within the term; that of a lost copy keeps its own, which another may have
  attempt         INTEGER NOT NULL CHECK (attempt >= 1),
  -- debit under a mandate, a link the customer pays, cash at the counter
  kind            TEXT NOT NULL CHECK (kind IN ('debit','link','cash')),
  mandate_id      INTEGER REFERENCES mandate (id),  -- under which mandate; empty for links and cash
  rail            TEXT NOT NULL,  -- on which rail
  order_no        TEXT NOT NULL UNIQUE,  -- our number, derived from the copy's code, agreement, term and attempt; the rail takes a number once
  amount          INTEGER NOT NULL CHECK (amount > 0),  -- fen asked for
  -- noted, pending and unknown are open and block the term; paid, declined and void are final
  state           TEXT NOT NULL CHECK (state IN ('noted','pending','unknown','paid','declined','void')),
  reason          TEXT,  -- why it was declined, in our own words (domain/rail.rs, Reason); empty otherwise
  code            TEXT NOT NULL,  -- the provider's code, or ours (NOT_FOUND); may be empty
  said            TEXT NOT NULL,  -- the provider's text, scrubbed of secrets; may be empty
  trade_no        TEXT,  -- the provider's number of the payment
  link            TEXT,  -- address of the pay link of a link charge
  run_id          INTEGER,  -- the debit run in which it was sent; one term of an agreement in each run
  noted_at        TEXT NOT NULL,  -- UTC instant at which it was written down, before the rail was asked
  asked_at        TEXT,  -- UTC instant at which the rail was asked last
  pending_until   TEXT,  -- UTC instant until which the rail may take to decide
  answered_at     TEXT,  -- UTC instant at which it became final
  paid_at         TEXT,  -- UTC instant at which the money moved, as the rail says
  refunded        INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND amount),  -- fen given back so far
  FOREIGN KEY (agreement_id, term) REFERENCES installment (agreement_id, term)  -- of a term that exists
) STRICT;
-- The attempts of a term, in order.
CREATE INDEX charge_attempt ON charge (agreement_id, term, attempt);
-- A term is never paid twice.
CREATE UNIQUE INDEX charge_paid_once ON charge (agreement_id, term) WHERE state = 'paid';
-- A term has at most one charge whose outcome is open.
CREATE UNIQUE INDEX charge_open_once ON charge (agreement_id, term) WHERE state IN ('noted','pending','unknown');
-- The open charges, which every debit run asks the rail about first.
CREATE INDEX charge_open ON charge (id) WHERE state IN ('noted','pending','unknown');
-- Charges declined in a period: the export.
CREATE INDEX charge_answered ON charge (answered_at) WHERE state IN ('paid','declined');

-- Money on its way back. Noted before the rail hears of it, answered afterwards. Written by `debit refund` and by settlements.
CREATE TABLE refund (
  id              INTEGER PRIMARY KEY,  -- f-12
  -- which paid charge it gives back; empty for a balance from before kibble, which is paid by hand
  charge_id       INTEGER REFERENCES charge (id),
  customer_id     INTEGER NOT NULL REFERENCES customer (id),  -- to whom
  statement_id    INTEGER,  -- the settlement that it belongs to; empty for a refund by itself
  rail            TEXT NOT NULL,  -- on which rail
  refund_no       TEXT NOT NULL UNIQUE,  -- our number, derived; the rail takes a number once
  amount          INTEGER NOT NULL CHECK (amount > 0),  -- fen
  -- as of charges; a declined refund waits for a person
  state           TEXT NOT NULL CHECK (state IN ('noted','pending','unknown','paid','declined')),
  why             TEXT NOT NULL,  -- the reason given, as typed or a word of ours; holds no personal data
  code            TEXT NOT NULL,  -- the provider's code; may be empty
  said            TEXT NOT NULL,  -- the provider's text; may be empty
  noted_at        TEXT NOT NULL,  -- UTC instant at which it was written down
  asked_at        TEXT,  -- UTC instant at which the rail was asked last
  paid_at         TEXT,  -- UTC instant at which the money went back
  -- the line of a bill whose money it gives back, when that money never came as a paid charge of ours; once per line
  line_id         INTEGER UNIQUE REFERENCES bill_line (id)
) STRICT;
-- Refunds that every debit run asks about.
CREATE INDEX refund_open ON refund (id) WHERE state IN ('noted','pending','unknown');
-- Refunds that the rail refused: few, and each waits for a person.
CREATE INDEX refund_declined ON refund (id) WHERE state = 'declined';
-- The refunds of a charge.
CREATE INDEX refund_charge ON refund (charge_id);
-- The refunds of a customer.
CREATE INDEX refund_customer ON refund (customer_id);

-- Debit runs. Written by `debit run` alone.
CREATE TABLE run (
  id              INTEGER PRIMARY KEY,  -- r-12; stands in the charges that a run sent
  started_at      TEXT NOT NULL,  -- UTC instant of its start; the next run sees from it that time did not go backwards
  ended_at        TEXT,  -- UTC instant of its end; empty while it runs, and for one that was cut off
  host            TEXT NOT NULL,  -- the machine that ran it
  report          TEXT NOT NULL  -- JSON of what it did; `{}` until it ends
) STRICT;

-- The journal: one row for each business event that moves money or goods. Written by db/journal.rs alone, never changed.
CREATE TABLE entry (
  id              INTEGER PRIMARY KEY,  -- j-12
  at              TEXT NOT NULL,  -- UTC instant at which it was booked
  day             TEXT NOT NULL,  -- civil date on which it counts, in the shop's zone
  -- what it is about: charge, refund_due, refund_paid, order, delivery, cancel, return, resend, settlement, opening, correction
  kind            TEXT NOT NULL,
  ref             TEXT NOT NULL,  -- the record: k-12, f-3, o-31/2 …
  customer_id     INTEGER,  -- whose; empty where it is nobody's
  corrects        INTEGER REFERENCES entry (id),  -- the entry that a correction by hand corrects
  note            TEXT NOT NULL,  -- a remark; holds no personal data
  UNIQUE (kind, ref)  -- nothing is booked twice; finds the entries of an order
) STRICT;
-- Entries of a period: reports, export, what wallets held on a day.
CREATE INDEX entry_day ON entry (day, id);

-- The lines of an entry; they sum to zero. Written by db/journal.rs alone, never changed.
CREATE TABLE posting (
  entry_id        INTEGER NOT NULL REFERENCES entry (id),  -- of which entry
  line            INTEGER NOT NULL,  -- 1, 2, 3 … within the entry
  account         TEXT NOT NULL,  -- bank, cash, rail:NAME, wallet:principal, wallet:bonus, sales:CATEGORY … (domain/journal.rs)
  customer_id     INTEGER NOT NULL,  -- whose account; 0 for the shop's own
  amount          INTEGER NOT NULL CHECK (amount <> 0),  -- fen, above zero debit, below zero credit; a wallet's balance is minus the sum
  PRIMARY KEY (entry_id, line)  -- lines in their order
) STRICT;
-- Wallet balances, of one customer and of all: read from this index alone.
CREATE INDEX posting_account ON posting (customer_id, account, amount);

-- Points given and taken back; a customer's points are their sum. Written with paid charges and refunds, never changed.
CREATE TABLE points (
  id              INTEGER PRIMARY KEY,  -- their order
  customer_id     INTEGER NOT NULL REFERENCES customer (id),  -- whose
  at              TEXT NOT NULL,  -- UTC instant
  kind            TEXT NOT NULL CHECK (kind IN ('charge','refund','spend','adjust')),  -- what they were given or taken for
  ref             TEXT NOT NULL,  -- the record: k-12, f-3
  points          INTEGER NOT NULL CHECK (points <> 0),  -- above zero given, below zero taken
  UNIQUE (kind, ref)  -- no record gives points twice
) STRICT;
-- The points of a customer, read from this index alone.
CREATE INDEX points_customer ON points (customer_id, points);

-- The shelf. Written by `catalog`.
CREATE TABLE item (
  sku             TEXT PRIMARY KEY,  -- the shop's own code of the item
  name_zh         TEXT NOT NULL,  -- Chinese name
  name_en         TEXT NOT NULL,  -- English name; may be empty
  category        TEXT NOT NULL,  -- staple, snack, litter … ; sales are booked by it
  species         TEXT NOT NULL,  -- for which animals; empty: for all
  brand           TEXT NOT NULL,  -- as in the supplier's list; may be empty
  unit            TEXT NOT NULL,  -- what one piece is: bag, can, 2 kg …
  cost            INTEGER NOT NULL CHECK (cost >= 0),  -- fen that one piece costs the shop
  price           INTEGER NOT NULL CHECK (price >= 0),  -- fen for anybody
  -- fen for a customer with an agreement; never above price
  member_price    INTEGER NOT NULL CHECK (member_price >= 0 AND member_price <= price),
  wallet_ok       INTEGER CHECK (wallet_ok IN (0,1)),  -- whether the wallet may pay for it; empty: the rule of its category decides
  -- 1 when a person set wallet_ok; an import leaves it alone then
  wallet_by_hand  INTEGER NOT NULL DEFAULT 0 CHECK (wallet_by_hand IN (0,1)),
  supplier        TEXT NOT NULL,  -- who ships it; order files are made by supplier
  on_sale         INTEGER NOT NULL CHECK (on_sale IN (0,1)),  -- 0 when it is off the shelf
  updated_at      TEXT NOT NULL  -- UTC instant of the last change; for people who look, no code reads it
) STRICT;

-- What was bought. Written by `orders`. (`order` is a word of SQL.)
CREATE TABLE orders (
  id              INTEGER PRIMARY KEY,  -- o-31
  customer_id     INTEGER NOT NULL REFERENCES customer (id),  -- who buys
  placed_at       TEXT NOT NULL,  -- UTC instant
  placed_on       TEXT NOT NULL,  -- civil date in the shop's zone
  -- follows from its lines: how far the least advanced open one has come
  state           TEXT NOT NULL CHECK (state IN ('placed','sent','shipped','delivered','cancelled','returned')),
  wallet_paid     INTEGER NOT NULL CHECK (wallet_paid >= 0),  -- fen that the wallet paid when it was placed
  cash_paid       INTEGER NOT NULL CHECK (cash_paid >= 0),  -- fen paid in cash then
  handover        TEXT NOT NULL CHECK (handover IN ('counter','ship')),  -- over the counter at once, or sent by the supplier
  address         BLOB,  -- sealed: where it goes, as it stood then; empty over the counter
  resend_of       INTEGER REFERENCES orders (id),  -- the order whose goods are sent again at the shop's cost
  note            TEXT NOT NULL,  -- a remark for the supplier; holds no personal data
  closed_at       TEXT  -- UTC instant at which its last line was closed; empty while one is open
) STRICT;
-- The orders of a customer.
CREATE INDEX orders_customer ON orders (customer_id, id);
-- Orders in a state: `orders list --state`.
CREATE INDEX orders_state ON orders (state, id);

-- The lines of orders, with names and prices as they were. Written by `orders`.
CREATE TABLE order_line (
  order_id        INTEGER NOT NULL REFERENCES orders (id),  -- of which order
  line            INTEGER NOT NULL,  -- 1, 2, 3 … within the order
  sku             TEXT NOT NULL,  -- the item
  name            TEXT NOT NULL,  -- its name when it was ordered
  category        TEXT NOT NULL,  -- its category then
  supplier        TEXT NOT NULL,  -- its supplier then
  qty             INTEGER NOT NULL CHECK (qty > 0),  -- pieces
  returned_qty    INTEGER NOT NULL CHECK (returned_qty BETWEEN 0 AND qty),  -- pieces that came back after delivery
  unit_price      INTEGER NOT NULL CHECK (unit_price >= 0),  -- fen that the customer paid for one
  list_price      INTEGER NOT NULL CHECK (list_price >= unit_price),  -- fen that one would have cost without membership
  unit_cost       INTEGER NOT NULL CHECK (unit_cost >= 0),  -- fen that one cost the shop
  wallet_part     INTEGER NOT NULL CHECK (wallet_part >= 0),  -- fen of the line that the wallet paid
  wallet_ok       INTEGER NOT NULL CHECK (wallet_ok IN (0,1)),  -- 1 when the wallet was allowed to pay for it
  state           TEXT NOT NULL CHECK (state IN ('placed','sent','shipped','delivered','cancelled','returned')),  -- how far it has come
  sent_at         TEXT,  -- UTC instant at which it went into the supplier's order file
  shipped_at      TEXT,  -- UTC instant at which a tracking number came
  delivered_at    TEXT,  -- UTC instant at which it was handed over
  carrier         TEXT,  -- who carries it
  tracking_no     TEXT,  -- the parcel's number
  PRIMARY KEY (order_id, line)  -- lines in their order
) STRICT;
-- Lines to send to suppliers, and shipped ones that count as delivered by now.
CREATE INDEX order_line_state ON order_line (state, supplier, order_id);
-- What was sent again of an order.
CREATE INDEX orders_resent ON orders (resend_of) WHERE resend_of IS NOT NULL;
-- Lines delivered in a period: best sellers and wallet use in the report.
CREATE INDEX order_line_delivered ON order_line (delivered_at) WHERE delivered_at IS NOT NULL;

-- Settlement statements: one for each terminated agreement. Written by `agreement terminate` and `agreement confirm`; the debit run
-- confirms what its deadline overtook.
CREATE TABLE statement (
  id              INTEGER PRIMARY KEY,  -- t-12
  agreement_id    INTEGER NOT NULL UNIQUE REFERENCES agreement (id),  -- which agreement it settles
  -- why it ended: the customer, the shop, nobody's fault, within the cooling-off days
  cause           TEXT NOT NULL CHECK (cause IN ('consumer','merchant','no_fault','cooling_off')),
  keep_pet        INTEGER NOT NULL CHECK (keep_pet IN (0,1)),  -- 1 when the pet stays with the customer
  notice_at       TEXT NOT NULL,  -- UTC instant of the notice
  confirm_by      TEXT NOT NULL,  -- UTC instant after which it confirms itself
  confirmed_at    TEXT,  -- UTC instant of confirmation
  confirmed_by    TEXT,  -- the person, or `deadline`
  -- JSON of every step of the sum, frozen at confirmation; `{}` before, when it is worked out anew each time
  figures         TEXT NOT NULL,
  refund          INTEGER NOT NULL CHECK (refund >= 0),  -- fen that the customer gets back; 0 before confirmation
  claim           INTEGER NOT NULL CHECK (claim >= 0),  -- fen that the customer owes; 0 before confirmation
  state           TEXT NOT NULL CHECK (state IN ('open','confirmed','settled'))  -- open, confirmed, settled once every refund of it is paid
) STRICT;

-- Flags on agreements, with the reasons for raising and clearing them. Raised by the debit run, cleared by `risk clear`.
CREATE TABLE flag (
  id              INTEGER PRIMARY KEY,  -- their order
  agreement_id    INTEGER NOT NULL REFERENCES agreement (id),  -- on which agreement
  kind            TEXT NOT NULL CHECK (kind IN ('high_risk')),  -- high_risk is the only kind so far
  since           TEXT NOT NULL,  -- UTC instant at which it was raised
  reason          TEXT NOT NULL,  -- why, in a sentence
  cleared_at      TEXT,  -- UTC instant at which the owner cleared it; empty while it stands
  cleared_by      TEXT,  -- who did
  clear_reason    TEXT  -- why
) STRICT;
-- A flag stands once; which ones stand.
CREATE UNIQUE INDEX flag_standing ON flag (agreement_id, kind) WHERE cleared_at IS NULL;

-- The outbox: each event once. Texts are made at delivery; what is kept here holds no names. Written by whoever has something to
-- say, delivered by `remind` and the debit run.
CREATE TABLE message (
  id              INTEGER PRIMARY KEY,  -- n-12
  event           TEXT NOT NULL UNIQUE,  -- what happened, as a key: `debit_success:a-3/4`; the same event is never told twice
  template        TEXT NOT NULL,  -- which text
  -- the customer, within contact hours, or the shop, at any hour
  audience        TEXT NOT NULL CHECK (audience IN ('customer','merchant')),
  customer_id     INTEGER,  -- whom it is about; empty for the shop as a whole
  agreement_id    INTEGER,  -- about which agreement
  term            INTEGER,  -- about which term of it
  lang            TEXT NOT NULL CHECK (lang IN ('zh','en')),  -- language it is told in
  params          TEXT NOT NULL,  -- JSON of what the text needs: amounts, dates, counts
  created_at      TEXT NOT NULL,  -- UTC instant at which it was queued
  not_before      TEXT NOT NULL,  -- UTC instant before which it is not sent
  -- waiting, handed over and unanswered, sent, of a fate that nobody knows, refused for good, overtaken by events
  state           TEXT NOT NULL CHECK (state IN ('queued','sending','sent','unknown','failed','dropped')),
  channel         TEXT,  -- the channel that had it last
  sent_at         TEXT,  -- UTC instant at which the channel took it
  said            TEXT NOT NULL,  -- what the channel said last; may be empty
  tries           INTEGER NOT NULL,  -- times it was handed over
  handed_at       TEXT,  -- UTC instant at which it was handed over last; empty while no channel had it
  refused         TEXT NOT NULL  -- names of the channels that refused it for good, with a comma between
) STRICT;
-- What is to be sent: every delivery pages through it by id.
CREATE INDEX message_queued ON message (id) WHERE state = 'queued';
-- What was handed over when a delivery was cut off, and what lost its answer: looked up by every delivery.
CREATE INDEX message_sending ON message (id) WHERE state IN ('sending','unknown');
-- What was handed over today, for the caps of phone numbers.
CREATE INDEX message_handed ON message (handed_at) WHERE handed_at IS NOT NULL;
-- The messages of a customer.
CREATE INDEX message_customer ON message (customer_id, id);

-- Bills that were taken over. Written by `recon fetch` and `recon import`, once per file; a file that brings nothing new leaves no row.
CREATE TABLE bill (
  id              INTEGER PRIMARY KEY,  -- b-12
  rail            TEXT NOT NULL,  -- whose payment rail's
  dialect         TEXT NOT NULL CHECK (dialect IN ('alipay','wechat')),  -- in whose format it is
  -- asked for at the rail, a saved file, or no file: the rail said after the waiting days that nothing happened
  source          TEXT NOT NULL CHECK (source IN ('fetched','file','none')),
  name            TEXT NOT NULL,  -- the file's name
  sha256          TEXT NOT NULL,  -- of the file's bytes, hex
  first_day       TEXT NOT NULL,  -- first day that it is about
  last_day        TEXT NOT NULL,  -- last day that it is about
  lines           INTEGER NOT NULL CHECK (lines >= 0),  -- its lines
  new_lines       INTEGER NOT NULL CHECK (new_lines BETWEEN 0 AND lines),  -- those that no earlier bill had
  came            INTEGER NOT NULL CHECK (came >= 0),  -- fen that its payments brought
  went_back       INTEGER NOT NULL CHECK (went_back >= 0),  -- fen that its refunds gave back
  fees            INTEGER NOT NULL,  -- fen that the provider kept
  imported_at     TEXT NOT NULL,  -- UTC instant at which it was taken over
  UNIQUE (rail, sha256)  -- the same file is taken over once
) STRICT;

-- Days of a rail of which everything is known. Written with the bill; a day that a bill is silent about is not here.
CREATE TABLE bill_day (
  rail            TEXT NOT NULL,  -- whose
  day             TEXT NOT NULL,  -- which day, in the rail's zone
  bill_id         INTEGER NOT NULL REFERENCES bill (id),  -- the first complete bill of that day
  PRIMARY KEY (rail, day)  -- which days are complete
) STRICT;

-- Lines of bills. What they say is never changed; only what they belong to here, and how far they are explained. Names of customers
-- in the file are not kept.
CREATE TABLE bill_line (
  id              INTEGER PRIMARY KEY,  -- l-12
  bill_id         INTEGER NOT NULL REFERENCES bill (id),  -- the first bill that had it
  row             INTEGER NOT NULL,  -- its row in that file, from 1
  rail            TEXT NOT NULL,  -- whose payment rail's
  day             TEXT NOT NULL,  -- day on which the money moved, in the rail's zone
  at              TEXT NOT NULL,  -- UTC instant of it; a spreadsheet may have lost the seconds
  kind            TEXT NOT NULL CHECK (kind IN ('payment','refund','other')),  -- money that came, went back, or moved for another reason
  order_no        TEXT NOT NULL,  -- our order number, or somebody else's
  trade_no        TEXT NOT NULL,  -- the provider's number of the trade
  refund_no       TEXT NOT NULL,  -- our refund number; empty on a payment
  amount          INTEGER NOT NULL,  -- fen; positive came, negative went back
  fee             INTEGER NOT NULL,  -- fen that the provider kept; negative where it gave a fee back
  fee_expected    INTEGER NOT NULL,  -- fen that it should have kept by the rail's `fee_bps` when the bill was taken over
  is_sound        INTEGER NOT NULL CHECK (is_sound IN (0,1)),  -- 1 when the fee is the expected one and the provider calls it done
  said            TEXT NOT NULL,  -- the provider's words for kind and state
  ordinal         INTEGER NOT NULL CHECK (ordinal >= 1),  -- 1, 2 … among lines that are equal in everything else
  -- not explained yet, the same as in our book, explained by a decision
  state           TEXT NOT NULL CHECK (state IN ('open','matched','decided')),
  charge_id       INTEGER REFERENCES charge (id),  -- the charge with its order number
  refund_id       INTEGER REFERENCES refund (id)  -- the refund with its refund number
) STRICT;
-- One line is kept once, whichever files have it; two that are really equal differ in their ordinal.
CREATE UNIQUE INDEX bill_line_once ON bill_line (rail, day, order_no, kind, trade_no, refund_no, amount, fee, ordinal);
-- The lines of a bill, day by day: what is booked, and what `check` adds up.
CREATE INDEX bill_line_bill ON bill_line (bill_id, day);
-- Lines that are not explained: few, however many lines there are.
CREATE INDEX bill_line_open ON bill_line (id) WHERE state = 'open';
-- Whether a charge stands in a bill, and which line was the first.
CREATE INDEX bill_line_charge ON bill_line (charge_id, kind) WHERE charge_id IS NOT NULL;
-- The same for refunds.
CREATE INDEX bill_line_refund ON bill_line (refund_id) WHERE refund_id IS NOT NULL;

-- Decisions about differences that booked or closed something; `wait` and `ask` leave no row. Written by `recon apply`, never changed.
CREATE TABLE decision (
  subject         TEXT PRIMARY KEY,  -- what it is about: a line l-12, a charge k-40, a refund f-3; decided once
  -- how it differed then
  class           TEXT NOT NULL CHECK (class IN ('missing_there','missing_here','amount','status','fee','duplicate')),
  decision        TEXT NOT NULL CHECK (decision IN ('accept','refund','book-as')),  -- what was decided
  account         TEXT NOT NULL,  -- the account of `book-as`; otherwise empty
  amount          INTEGER NOT NULL,  -- fen that were booked or given back
  entry_id        INTEGER REFERENCES entry (id),  -- the entry, where one was booked
  at              TEXT NOT NULL  -- UTC instant
) STRICT;
