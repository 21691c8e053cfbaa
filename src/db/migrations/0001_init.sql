-- Everything a shop knows. Amounts are fen, rates basis points, instants UTC text `2026-11-05T01:00:00Z`, business dates `2026-11-05`.
-- Sealed columns are AES-256-GCM under the customer's own key; look-up columns are keyed hashes.

CREATE TABLE copy (
  code            TEXT PRIMARY KEY,
  copy_no         INTEGER NOT NULL,
  made_from       TEXT,
  last_agreement  INTEGER NOT NULL CHECK (last_agreement >= 0)
) STRICT;

CREATE TABLE shop (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  install_code    TEXT NOT NULL,
  code            TEXT NOT NULL REFERENCES copy (code),
  copy_no         INTEGER NOT NULL,
  created_at      TEXT NOT NULL,
  key_check       BLOB NOT NULL,
  restored_at     TEXT
) STRICT;

CREATE TABLE audit (
  seq             INTEGER PRIMARY KEY,
  at              TEXT NOT NULL,
  actor           TEXT NOT NULL,
  host            TEXT NOT NULL,
  op              TEXT NOT NULL,
  entity          TEXT NOT NULL,
  detail          TEXT NOT NULL,
  prev_hash       TEXT NOT NULL,
  hash            TEXT NOT NULL
) STRICT;

CREATE TABLE customer (
  id              INTEGER PRIMARY KEY,
  wrapped_key     BLOB,
  name            BLOB,
  phone           BLOB,
  id_number       BLOB,
  address         BLOB,
  email           BLOB,
  openid          BLOB,
  name_hash       BLOB,
  phone_hash      BLOB,
  id_hash         BLOB UNIQUE,
  lang            TEXT NOT NULL CHECK (lang IN ('zh','en')),
  created_at      TEXT NOT NULL,
  erased_at       TEXT
) STRICT;
CREATE INDEX customer_name ON customer (name_hash);
CREATE INDEX customer_phone ON customer (phone_hash);

CREATE TABLE pet (
  id              INTEGER PRIMARY KEY,
  customer_id     INTEGER REFERENCES customer (id),
  name            TEXT NOT NULL,
  species         TEXT NOT NULL,
  breed           TEXT NOT NULL,
  sex             TEXT NOT NULL CHECK (sex IN ('male','female','unknown')),
  birth_date      TEXT,
  birth_estimated INTEGER NOT NULL CHECK (birth_estimated IN (0,1)),
  chip_no         TEXT UNIQUE,
  quarantine_no   TEXT,
  source          TEXT NOT NULL,
  reference_cost  INTEGER NOT NULL CHECK (reference_cost >= 0),
  status          TEXT NOT NULL CHECK (status IN ('in_shop','reserved','adopted','returned','died','lost')),
  status_on       TEXT NOT NULL,
  note            TEXT NOT NULL,
  created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX pet_customer ON pet (customer_id);

CREATE TABLE plan (
  id              INTEGER PRIMARY KEY,
  code            TEXT NOT NULL UNIQUE,
  name_zh         TEXT NOT NULL,
  name_en         TEXT NOT NULL,
  scenario        TEXT NOT NULL CHECK (scenario IN ('adoption','sale')),
  monthly         INTEGER NOT NULL CHECK (monthly > 0),
  terms           INTEGER NOT NULL CHECK (terms BETWEEN 1 AND 36),
  first_debit     TEXT NOT NULL CHECK (first_debit IN ('at_signing','next_month')),
  sale_price      INTEGER NOT NULL CHECK (sale_price >= 0),
  guarantee_days  INTEGER NOT NULL CHECK (guarantee_days >= 0),
  contents_zh     TEXT NOT NULL,
  contents_en     TEXT NOT NULL,
  on_offer        INTEGER NOT NULL CHECK (on_offer IN (0,1)),
  created_at      TEXT NOT NULL
) STRICT;

CREATE TABLE agreement (
  id              INTEGER PRIMARY KEY,
  no              TEXT NOT NULL UNIQUE,
  customer_id     INTEGER NOT NULL REFERENCES customer (id),
  pet_id          INTEGER NOT NULL REFERENCES pet (id),
  plan_code       TEXT NOT NULL,
  plan_name       TEXT NOT NULL,
  source          TEXT NOT NULL CHECK (source IN ('signed','imported')),
  state           TEXT NOT NULL CHECK (state IN ('waiting','active','paused','completed','settling','ended','cancelled')),
  monthly         INTEGER NOT NULL CHECK (monthly > 0),
  terms           INTEGER NOT NULL CHECK (terms BETWEEN 1 AND 36),
  anchor_day      INTEGER NOT NULL CHECK (anchor_day BETWEEN 1 AND 31),
  first_debit     TEXT NOT NULL CHECK (first_debit IN ('at_signing','next_month')),
  signed_on       TEXT NOT NULL,
  signed_at       TEXT NOT NULL,
  active_at       TEXT,
  ends_on         TEXT NOT NULL,
  paid_before     INTEGER NOT NULL CHECK (paid_before >= 0),
  reference_cost  INTEGER NOT NULL CHECK (reference_cost >= 0),
  conditions      TEXT NOT NULL,
  lang            TEXT NOT NULL CHECK (lang IN ('zh','en')),
  template        TEXT NOT NULL,
  text_sha256     TEXT,
  shown           TEXT NOT NULL,
  paused_on       TEXT,
  paused_until    TEXT,
  pause_effect    TEXT CHECK (pause_effect IN ('extend','skip')),
  pause_shift     INTEGER NOT NULL,
  shift_months    INTEGER NOT NULL,
  shifted_from    INTEGER NOT NULL,
  failed_in_row   INTEGER NOT NULL,
  ended_at        TEXT,
  end_cause       TEXT,
  import_row      TEXT,
  text_sealed     BLOB
) STRICT;
CREATE INDEX agreement_customer ON agreement (customer_id);
CREATE INDEX agreement_pet ON agreement (pet_id);
CREATE INDEX agreement_state ON agreement (state);
CREATE INDEX agreement_course ON agreement (signed_on, state, active_at, ended_at, ends_on);

CREATE TABLE credit_check (
  id              INTEGER PRIMARY KEY,
  agreement_id    INTEGER NOT NULL UNIQUE REFERENCES agreement (id),
  customer_id     INTEGER NOT NULL REFERENCES customer (id),
  provider        TEXT NOT NULL CHECK (provider IN ('manual','zhima','sandbox')),
  threshold       INTEGER NOT NULL CHECK (threshold > 0),
  consent_at      TEXT,
  consent_text    TEXT NOT NULL,
  attempt         INTEGER NOT NULL CHECK (attempt >= 0),
  transaction_no  TEXT UNIQUE,
  asked_at        TEXT,
  verdict         TEXT NOT NULL CHECK (verdict IN ('pass','fail','cannot_tell','error')),
  checked_on      TEXT NOT NULL,
  seen            BLOB,
  provider_no     TEXT,
  said            TEXT NOT NULL,
  recorded_by     TEXT NOT NULL,
  review          TEXT NOT NULL CHECK (review IN ('none','open','approved','refused')),
  decided_at      TEXT,
  decided_by      TEXT,
  decide_reason   TEXT,
  CHECK (verdict <> 'pass' OR consent_at IS NOT NULL)
) STRICT;
CREATE INDEX credit_check_open ON credit_check (agreement_id) WHERE review = 'open';

CREATE TABLE mandate (
  id              INTEGER PRIMARY KEY,
  agreement_id    INTEGER NOT NULL REFERENCES agreement (id),
  lane            INTEGER NOT NULL CHECK (lane >= 1),
  rail            TEXT NOT NULL,
  contract_no     TEXT NOT NULL UNIQUE,
  provider_no     TEXT,
  state           TEXT NOT NULL CHECK (state IN ('waiting','live','closing','closed','revoked','expired')),
  valid_until     TEXT NOT NULL,
  created_at      TEXT NOT NULL,
  signed_at       TEXT,
  ended_at        TEXT,
  end_cause       TEXT
) STRICT;
CREATE UNIQUE INDEX mandate_lane ON mandate (agreement_id, lane) WHERE state IN ('waiting','live');
CREATE INDEX mandate_agreement ON mandate (agreement_id);
CREATE INDEX mandate_open ON mandate (state, id) WHERE state IN ('waiting','closing');

CREATE TABLE installment (
  agreement_id    INTEGER NOT NULL REFERENCES agreement (id),
  term            INTEGER NOT NULL CHECK (term >= 1),
  due             TEXT NOT NULL,
  registered      TEXT NOT NULL,
  amount          INTEGER NOT NULL CHECK (amount > 0),
  state           TEXT NOT NULL CHECK (state IN ('open','paid','before','cancelled','refunded')),
  course          TEXT NOT NULL CHECK (course IN ('planned','failing','failed','missed')),
  lane            INTEGER NOT NULL,
  failures        INTEGER NOT NULL,
  first_failed_at TEXT,
  next_try_at     TEXT,
  announced_at    TEXT,
  charge_from     TEXT,
  paid_at         TEXT,
  told_failures   INTEGER NOT NULL,
  overdue_level   INTEGER NOT NULL,
  overdue_told_on TEXT,
  PRIMARY KEY (agreement_id, term)
) STRICT;
CREATE INDEX installment_day ON installment (due);
CREATE INDEX installment_due ON installment (due, agreement_id, term) WHERE state = 'open' AND course IN ('planned','failing');
CREATE INDEX installment_unannounced ON installment (due, agreement_id, term) WHERE state = 'open' AND announced_at IS NULL;
CREATE INDEX installment_over ON installment (due, agreement_id, term) WHERE state = 'open' AND course IN ('failed','missed');

CREATE TABLE notice (
  agreement_id    INTEGER NOT NULL,
  term            INTEGER NOT NULL,
  kind            TEXT NOT NULL CHECK (kind IN ('signing','message','heads_up','rail')),
  lane            INTEGER NOT NULL,
  due             TEXT NOT NULL,
  amount          INTEGER NOT NULL,
  given_at        TEXT NOT NULL,
  PRIMARY KEY (agreement_id, term, kind, lane),
  FOREIGN KEY (agreement_id, term) REFERENCES installment (agreement_id, term)
) STRICT;

CREATE TABLE charge (
  id              INTEGER PRIMARY KEY,
  agreement_id    INTEGER NOT NULL,
  term            INTEGER NOT NULL,
  attempt         INTEGER NOT NULL CHECK (attempt >= 1),
  kind            TEXT NOT NULL CHECK (kind IN ('debit','link','cash')),
  mandate_id      INTEGER REFERENCES mandate (id),
  rail            TEXT NOT NULL,
  order_no        TEXT NOT NULL UNIQUE,
  amount          INTEGER NOT NULL CHECK (amount > 0),
  state           TEXT NOT NULL CHECK (state IN ('noted','pending','unknown','paid','declined','void')),
  reason          TEXT,
  code            TEXT NOT NULL,
  said            TEXT NOT NULL,
  trade_no        TEXT,
  link            TEXT,
  run_id          INTEGER,
  noted_at        TEXT NOT NULL,
  asked_at        TEXT,
  pending_until   TEXT,
  answered_at     TEXT,
  paid_at         TEXT,
  refunded        INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND amount),
  FOREIGN KEY (agreement_id, term) REFERENCES installment (agreement_id, term)
) STRICT;
CREATE INDEX charge_attempt ON charge (agreement_id, term, attempt);
CREATE UNIQUE INDEX charge_paid_once ON charge (agreement_id, term) WHERE state = 'paid';
CREATE UNIQUE INDEX charge_open_once ON charge (agreement_id, term) WHERE state IN ('noted','pending','unknown');
CREATE INDEX charge_open ON charge (id) WHERE state IN ('noted','pending','unknown');
CREATE INDEX charge_answered ON charge (answered_at) WHERE state IN ('paid','declined');

CREATE TABLE refund (
  id              INTEGER PRIMARY KEY,
  charge_id       INTEGER REFERENCES charge (id),
  customer_id     INTEGER NOT NULL REFERENCES customer (id),
  statement_id    INTEGER,
  rail            TEXT NOT NULL,
  refund_no       TEXT NOT NULL UNIQUE,
  amount          INTEGER NOT NULL CHECK (amount > 0),
  state           TEXT NOT NULL CHECK (state IN ('noted','pending','unknown','paid','declined')),
  why             TEXT NOT NULL,
  code            TEXT NOT NULL,
  said            TEXT NOT NULL,
  noted_at        TEXT NOT NULL,
  asked_at        TEXT,
  paid_at         TEXT,
  line_id         INTEGER UNIQUE REFERENCES bill_line (id)
) STRICT;
CREATE INDEX refund_open ON refund (id) WHERE state IN ('noted','pending','unknown');
-- Refunds that the rail refused: few, and each waits for a person.
CREATE INDEX refund_declined ON refund (id) WHERE state = 'declined';
CREATE INDEX refund_charge ON refund (charge_id);
CREATE INDEX refund_customer ON refund (customer_id);

CREATE TABLE run (
  id              INTEGER PRIMARY KEY,
  started_at      TEXT NOT NULL,
  ended_at        TEXT,
  host            TEXT NOT NULL,
  report          TEXT NOT NULL
) STRICT;

CREATE TABLE entry (
  id              INTEGER PRIMARY KEY,
  at              TEXT NOT NULL,
  day             TEXT NOT NULL,
  kind            TEXT NOT NULL,
  ref             TEXT NOT NULL,
  customer_id     INTEGER,
  corrects        INTEGER REFERENCES entry (id),
  note            TEXT NOT NULL,
  UNIQUE (kind, ref)
) STRICT;
CREATE INDEX entry_day ON entry (day, id);

CREATE TABLE posting (
  entry_id        INTEGER NOT NULL REFERENCES entry (id),
  line            INTEGER NOT NULL,
  account         TEXT NOT NULL,
  customer_id     INTEGER NOT NULL,
  amount          INTEGER NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (entry_id, line)
) STRICT;
CREATE INDEX posting_account ON posting (customer_id, account, amount);

CREATE TABLE points (
  id              INTEGER PRIMARY KEY,
  customer_id     INTEGER NOT NULL REFERENCES customer (id),
  at              TEXT NOT NULL,
  kind            TEXT NOT NULL CHECK (kind IN ('charge','refund','spend','adjust')),
  ref             TEXT NOT NULL,
  points          INTEGER NOT NULL CHECK (points <> 0),
  UNIQUE (kind, ref)
) STRICT;
CREATE INDEX points_customer ON points (customer_id, points);

CREATE TABLE item (
  sku             TEXT PRIMARY KEY,
  name_zh         TEXT NOT NULL,
  name_en         TEXT NOT NULL,
  category        TEXT NOT NULL,
  species         TEXT NOT NULL,
  brand           TEXT NOT NULL,
  unit            TEXT NOT NULL,
  cost            INTEGER NOT NULL CHECK (cost >= 0),
  price           INTEGER NOT NULL CHECK (price >= 0),
  member_price    INTEGER NOT NULL CHECK (member_price >= 0 AND member_price <= price),
  wallet_ok       INTEGER CHECK (wallet_ok IN (0,1)),
  wallet_by_hand  INTEGER NOT NULL DEFAULT 0 CHECK (wallet_by_hand IN (0,1)),
  supplier        TEXT NOT NULL,
  on_sale         INTEGER NOT NULL CHECK (on_sale IN (0,1)),
  updated_at      TEXT NOT NULL
) STRICT;

CREATE TABLE orders (
  id              INTEGER PRIMARY KEY,
  customer_id     INTEGER NOT NULL REFERENCES customer (id),
  placed_at       TEXT NOT NULL,
  placed_on       TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('placed','sent','shipped','delivered','cancelled','returned')),
  wallet_paid     INTEGER NOT NULL CHECK (wallet_paid >= 0),
  cash_paid       INTEGER NOT NULL CHECK (cash_paid >= 0),
  handover        TEXT NOT NULL CHECK (handover IN ('counter','ship')),
  address         BLOB,
  resend_of       INTEGER REFERENCES orders (id),
  note            TEXT NOT NULL,
  closed_at       TEXT
) STRICT;
CREATE INDEX orders_customer ON orders (customer_id, id);
CREATE INDEX orders_state ON orders (state, id);

CREATE TABLE order_line (
  order_id        INTEGER NOT NULL REFERENCES orders (id),
  line            INTEGER NOT NULL,
  sku             TEXT NOT NULL,
  name            TEXT NOT NULL,
  category        TEXT NOT NULL,
  supplier        TEXT NOT NULL,
  qty             INTEGER NOT NULL CHECK (qty > 0),
  returned_qty    INTEGER NOT NULL CHECK (returned_qty BETWEEN 0 AND qty),
  unit_price      INTEGER NOT NULL CHECK (unit_price >= 0),
  list_price      INTEGER NOT NULL CHECK (list_price >= unit_price),
  unit_cost       INTEGER NOT NULL CHECK (unit_cost >= 0),
  wallet_part     INTEGER NOT NULL CHECK (wallet_part >= 0),
  wallet_ok       INTEGER NOT NULL CHECK (wallet_ok IN (0,1)),
  state           TEXT NOT NULL CHECK (state IN ('placed','sent','shipped','delivered','cancelled','returned')),
  sent_at         TEXT,
  shipped_at      TEXT,
  delivered_at    TEXT,
  carrier         TEXT,
  tracking_no     TEXT,
  PRIMARY KEY (order_id, line)
) STRICT;
CREATE INDEX order_line_state ON order_line (state, supplier, order_id);
CREATE INDEX orders_resent ON orders (resend_of) WHERE resend_of IS NOT NULL;
CREATE INDEX order_line_delivered ON order_line (delivered_at) WHERE delivered_at IS NOT NULL;

CREATE TABLE statement (
  id              INTEGER PRIMARY KEY,
  agreement_id    INTEGER NOT NULL UNIQUE REFERENCES agreement (id),
  cause           TEXT NOT NULL CHECK (cause IN ('consumer','merchant','no_fault','cooling_off')),
  keep_pet        INTEGER NOT NULL CHECK (keep_pet IN (0,1)),
  notice_at       TEXT NOT NULL,
  confirm_by      TEXT NOT NULL,
  confirmed_at    TEXT,
  confirmed_by    TEXT,
  figures         TEXT NOT NULL,
  refund          INTEGER NOT NULL CHECK (refund >= 0),
  claim           INTEGER NOT NULL CHECK (claim >= 0),
  state           TEXT NOT NULL CHECK (state IN ('open','confirmed','settled'))
) STRICT;

CREATE TABLE flag (
  id              INTEGER PRIMARY KEY,
  agreement_id    INTEGER NOT NULL REFERENCES agreement (id),
  kind            TEXT NOT NULL CHECK (kind IN ('high_risk')),
  since           TEXT NOT NULL,
  reason          TEXT NOT NULL,
  cleared_at      TEXT,
  cleared_by      TEXT,
  clear_reason    TEXT
) STRICT;
CREATE UNIQUE INDEX flag_standing ON flag (agreement_id, kind) WHERE cleared_at IS NULL;

CREATE TABLE message (
  id              INTEGER PRIMARY KEY,
  event           TEXT NOT NULL UNIQUE,
  template        TEXT NOT NULL,
  audience        TEXT NOT NULL CHECK (audience IN ('customer','merchant')),
  customer_id     INTEGER,
  agreement_id    INTEGER,
  term            INTEGER,
  lang            TEXT NOT NULL CHECK (lang IN ('zh','en')),
  params          TEXT NOT NULL,
  created_at      TEXT NOT NULL,
  not_before      TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('queued','sending','sent','unknown','failed','dropped')),
  channel         TEXT,
  sent_at         TEXT,
  said            TEXT NOT NULL,
  tries           INTEGER NOT NULL,
  handed_at       TEXT,
  refused         TEXT NOT NULL
) STRICT;
CREATE INDEX message_queued ON message (id) WHERE state = 'queued';
CREATE INDEX message_sending ON message (id) WHERE state IN ('sending','unknown');
CREATE INDEX message_handed ON message (handed_at) WHERE handed_at IS NOT NULL;
CREATE INDEX message_customer ON message (customer_id, id);

CREATE TABLE bill (
  id              INTEGER PRIMARY KEY,
  rail            TEXT NOT NULL,
  dialect         TEXT NOT NULL CHECK (dialect IN ('alipay','wechat')),
  source          TEXT NOT NULL CHECK (source IN ('fetched','file','none')),
  name            TEXT NOT NULL,
  sha256          TEXT NOT NULL,
  first_day       TEXT NOT NULL,
  last_day        TEXT NOT NULL,
  lines           INTEGER NOT NULL CHECK (lines >= 0),
  new_lines       INTEGER NOT NULL CHECK (new_lines BETWEEN 0 AND lines),
  came            INTEGER NOT NULL CHECK (came >= 0),
  went_back       INTEGER NOT NULL CHECK (went_back >= 0),
  fees            INTEGER NOT NULL,
  imported_at     TEXT NOT NULL,
  UNIQUE (rail, sha256)
) STRICT;

CREATE TABLE bill_day (
  rail            TEXT NOT NULL,
  day             TEXT NOT NULL,
  bill_id         INTEGER NOT NULL REFERENCES bill (id),
  PRIMARY KEY (rail, day)
) STRICT;

CREATE TABLE bill_line (
  id              INTEGER PRIMARY KEY,
  bill_id         INTEGER NOT NULL REFERENCES bill (id),
  row             INTEGER NOT NULL,
  rail            TEXT NOT NULL,
  day             TEXT NOT NULL,
  at              TEXT NOT NULL,
  kind            TEXT NOT NULL CHECK (kind IN ('payment','refund','other')),
  order_no        TEXT NOT NULL,
  trade_no        TEXT NOT NULL,
  refund_no       TEXT NOT NULL,
  amount          INTEGER NOT NULL,
  fee             INTEGER NOT NULL,
  fee_expected    INTEGER NOT NULL,
  is_sound        INTEGER NOT NULL CHECK (is_sound IN (0,1)),
  said            TEXT NOT NULL,
  ordinal         INTEGER NOT NULL CHECK (ordinal >= 1),
  state           TEXT NOT NULL CHECK (state IN ('open','matched','decided')),
  charge_id       INTEGER REFERENCES charge (id),
  refund_id       INTEGER REFERENCES refund (id)
) STRICT;
CREATE UNIQUE INDEX bill_line_once ON bill_line (rail, day, order_no, kind, trade_no, refund_no, amount, fee, ordinal);
CREATE INDEX bill_line_bill ON bill_line (bill_id, day);
CREATE INDEX bill_line_open ON bill_line (id) WHERE state = 'open';
CREATE INDEX bill_line_charge ON bill_line (charge_id, kind) WHERE charge_id IS NOT NULL;
CREATE INDEX bill_line_refund ON bill_line (refund_id) WHERE refund_id IS NOT NULL;

CREATE TABLE decision (
  subject         TEXT PRIMARY KEY,
  class           TEXT NOT NULL CHECK (class IN ('missing_there','missing_here','amount','status','fee','duplicate')),
  decision        TEXT NOT NULL CHECK (decision IN ('accept','refund','book-as')),
  account         TEXT NOT NULL,
  amount          INTEGER NOT NULL,
  entry_id        INTEGER REFERENCES entry (id),
  at              TEXT NOT NULL
) STRICT;
