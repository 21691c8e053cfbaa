//! The agreement's text: the template filled in, its important points, and the digest that seals it.

use anyhow::{Context, Result};
use minijinja::ErrorKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Animal, Prepared};
use crate::adapters::keys::sha256_hex;
use crate::db;
use crate::domain::agreement::Agreement;
use crate::domain::customer::{IdNumber, Phone};
use crate::domain::date::At;
use crate::domain::id::AgreementId;
use crate::domain::pet::{Sex, Species};
use crate::domain::plan::{Plan, Scenario};
use crate::english;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;
use crate::text::{self, Lang, lookup_in, template};

/// Version of the built-in agreement texts; raised with every change of their wording.
const TEMPLATE_VERSION: u32 = 1;

/// What stands in the digest line while the digest itself is computed (domain facts 2).
pub(super) const NO_DIGEST: &str = "-";

/// Numbers that exist only once the records do.
pub(super) struct Numbers {
    pub(super) no: String,
    pub(super) record_no: String,
    pub(super) signed_at: At,
}

/// The template for `lang`, and its name with version; a shop's own one says so.
pub(super) fn template(ctx: &Ctx, lang: Lang) -> Result<(String, String)> {
    let (built_in, file) = match lang {
        Lang::Zh => (include_str!("../../text/templates/agreement.zh.txt.j2"), "agreement.zh.txt.j2"),
        Lang::En => (include_str!("../../text/templates/agreement.en.txt.j2"), "agreement.en.txt.j2"),
    };
    let own = ctx.config.template(file)?;
    let version = if own.is_some() { "own".to_owned() } else { format!("v{TEMPLATE_VERSION}") };
    let text = own.unwrap_or_else(|| built_in.to_owned());
    let name = format!("agreement.{} {version} {}", lang.word(), &digest_of(&text)[..12]);
    Ok((text, name))
}

/// The agreement's text. A placeholder that has no value refuses (domain facts 2).
pub(super) fn render(ctx: &Ctx, prepared: &Prepared, numbers: &Numbers, sha256: &str) -> Result<String> {
    let (source, name) = template(ctx, prepared.lang)?;
    let values = values(ctx, prepared, numbers, sha256)?;
    let env = template::environment();
    let wrong = |error: &minijinja::Error| -> anyhow::Error {
        let line = error.line().unwrap_or_default();
        Fault::refused(t!("the template {name} is wrong in line {line}", name = name, line = line))
            .hint(t!("correct templates/ in the shop folder, or delete the file to use the built-in text"))
            .into()
    };
    template::check(&source).map_err(|fault| {
        Fault::refused(t!("the template {name} cannot be used: {why}", name = name, why = fault.text()))
            .hint(t!("correct templates/ in the shop folder, or delete the file to use the built-in text"))
    })?;
    let template = env.template_from_str(&source).map_err(|error| wrong(&error))?;
    template.render(minijinja::Value::from(minijinja::value::Serde(&values))).map_err(|error| {
        let known = |path: &String| values.pointer(&format!("/{}", path.replace('.', "/"))).is_some();
        let mut missing: Vec<String> =
            template.undeclared_variables(true).into_iter().filter(|it| !known(it)).collect();
        missing.sort();
        if error.kind() != ErrorKind::UndefinedError || missing.is_empty() {
            return wrong(&error);
        }
        Fault::refused(t!(
            "the template {name} has placeholders without a value: {list}",
            name = name,
            list = missing.join(", ")
        ))
        .hint(t!("correct templates/ in the shop folder, or delete the file to use the built-in text"))
        .into()
    })
}

fn values(ctx: &Ctx, prepared: &Prepared, numbers: &Numbers, sha256: &str) -> Result<Value> {
    let (plan, schedule, lang) = (&prepared.plan, &prepared.schedule, prepared.lang);
    let (merchant, terms) = (&ctx.config.settings.merchant, &prepared.conditions);
    let today = schedule.signed_on;
    let id = IdNumber::parse(prepared.signer.id_number(), today).map(|id| id.masked()).unwrap_or_default();
    let complaint_phone = if merchant.complaint_phone.is_empty() { &merchant.phone } else { &merchant.complaint_phone };
    let channels: Result<Vec<String>> = prepared
        .rails
        .iter()
        .map(|rail| {
            let label = ctx.config.rail(rail)?.label(lang).to_owned();
            Ok(text::fill(lookup_in(lang, english!("{label} recurring debit")), &[("label", &label)]))
        })
        .collect();
    let comma = if lang == Lang::Zh { "、" } else { ", " };
    let pet = pet_values(prepared, numbers);
    let diseases = match lang {
        Lang::Zh => &ctx.config.settings.terms.disease_list_zh,
        Lang::En => &ctx.config.settings.terms.disease_list_en,
    };
    let sale_price = if plan.scenario == Scenario::Sale && plan.sale_price.is_positive() {
        plan.sale_price.to_string()
    } else {
        String::new()
    };
    Ok(json!({
        "agreement": {
            "no": numbers.no,
            "signed_on": today.to_string(),
            "signed_at": numbers.signed_at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M:%S %:z").to_string(),
            "sha256": sha256,
        },
        "merchant": {
            "name": ctx.config.shop_name(lang),
            "uscc": merchant.uscc,
            "address": merchant.address,
            "phone": merchant.phone,
            "complaint_phone": complaint_phone,
        },
        "customer": {
            "name": prepared.signer.name(),
            "id_masked": id,
            "phone_masked": masked_phone(prepared.signer.phone()),
        },
        "pet": pet,
        "plan": {
            "monthly_amount": plan.monthly.to_string(),
            "terms": plan.terms,
            "total_amount": plan.total().to_string(),
            "debit_day": schedule.anchor_day,
            "first_due": schedule.due(1).to_string(),
            "last_due": schedule.due(plan.terms).to_string(),
            "sale_price": sale_price,
            "name": plan_name(plan, lang),
        },
        "mandate": { "channel_name": channels?.join(comma), "valid_until": schedule.end(plan.terms).to_string() },
        "terms": {
            "cooling_off_days": terms.cooling_off_days,
            "refund_days": terms.refund_days,
            "confirm_days": terms.confirm_days,
            "cure_days": terms.cure_days,
            "retry_max": terms.retry_max,
        },
        "health": { "guarantee_days": terms.guarantee_days, "disease_list": diseases },
        "privacy": { "retention_years": terms.retention_years },
        "complaint": { "resolve_days": terms.resolve_days },
    }))
}

fn pet_values(prepared: &Prepared, numbers: &Numbers) -> Value {
    let lang = prepared.lang;
    let (name, species, breed, sex, born, quarantine) = match &prepared.animal {
        Animal::Known(pet) => (&pet.name, &pet.species, &pet.breed, pet.sex, pet.birth_date, &pet.quarantine_no),
        Animal::New(pet) => (&pet.name, &pet.species, &pet.breed, pet.sex, pet.birth_date, &pet.quarantine_no),
    };
    let unknown = || lookup_in(lang, english!("not known")).to_owned();
    let species = match Species::from_word(species) {
        Some(Species::Cat) => english!("cat"),
        Some(Species::Dog) => english!("dog"),
        Some(Species::Rabbit) => english!("rabbit"),
        _ => english!("other animal"),
    };
    let sex = match sex {
        Sex::Male => english!("male"),
        Sex::Female => english!("female"),
        Sex::Unknown => english!("sex not known"),
    };
    json!({
        "name": name,
        "species": lookup_in(lang, species),
        "breed": if breed.trim().is_empty() { unknown() } else { breed.clone() },
        "sex": lookup_in(lang, sex),
        "birth_date": born.map_or_else(unknown, |day| day.to_string()),
        "record_no": numbers.record_no,
        "reference_cost": prepared.reference_cost.to_string(),
        "quarantine_no": quarantine.clone().unwrap_or_default(),
    })
}

/// The points of major interest: the lines below the one that begins with the mark, up to the next empty line.
pub(super) fn points(text: &str) -> Result<Vec<String>> {
    const MARKS: [&str; 2] = ["【重要提示】", "[IMPORTANT]"];
    let mut lines = text.lines().skip_while(|line| !MARKS.iter().any(|mark| line.starts_with(mark)));
    lines.next();
    let points: Vec<String> =
        lines.take_while(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned()).collect();
    if points.is_empty() {
        return Err(Fault::refused(t!("the agreement's template has no list of important points"))
            .hint(t!("it begins with a line {mark} and has one point per line", mark = MARKS.join(" / ")))
            .into());
    }
    Ok(points)
}

pub(super) fn plan_name(plan: &Plan, lang: Lang) -> &str {
    match lang {
        Lang::Zh => &plan.name_zh,
        Lang::En => &plan.name_en,
    }
}

fn masked_phone(phone: &str) -> String {
    Phone::parse(phone).map(|phone| phone.masked()).unwrap_or_default()
}

/// The digest of a text whose digest line holds `-`: lower-case hex of SHA-256.
pub fn digest_of(text: &str) -> String {
    sha256_hex(text.as_bytes())
}

/// Whether a sealed text is the one whose digest was recorded.
pub fn is_intact(text: &str, sha256: &str) -> bool {
    digest_of(&text.replacen(sha256, NO_DIGEST, 1)) == sha256
}

/// The agreement's own text, checked against its digest.
#[derive(Clone, Debug, Serialize)]
pub struct SealedText {
    /// Which agreement.
    pub agreement: AgreementId,
    /// The number printed on it.
    pub no: String,
    /// Template name and version.
    pub template: String,
    /// The recorded digest.
    pub sha256: Option<String>,
    /// Whether the text still has that digest.
    pub intact: bool,
    /// The text.
    pub text: String,
}

/// The text that was signed.
///
/// # Errors
/// When there is none: an agreement from the earlier book is on paper.
pub fn text_of(ctx: &Ctx, agreement: &Agreement) -> Result<SealedText> {
    let conn = ctx.db.read();
    let text = db::agreement::text(conn, agreement.id).with_context(|| agreement.id.to_string())?;
    let Some(text) = text else {
        return Err(Fault::not_found(t!(
            "the text of {agreement} is not in kibble: it came from the earlier book",
            agreement = agreement.id
        ))
        .into());
    };
    let intact = agreement.text_sha256.as_deref().is_some_and(|sha256| is_intact(&text, sha256));
    Ok(SealedText {
        agreement: agreement.id,
        no: agreement.no.clone(),
        template: agreement.template.clone(),
        sha256: agreement.text_sha256.clone(),
        intact,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::{digest_of, is_intact, points};

    #[test]
    fn a_changed_letter_shows_in_the_digest() {
        let bare = "Agreement\nDigest: -";
        let sha256 = digest_of(bare);
        let signed = format!("Agreement\nDigest: {sha256}");
        assert!(is_intact(&signed, &sha256));
        assert!(!is_intact(&signed.replace("Agreement", "Agreemend"), &sha256));
    }

    #[test]
    fn the_points_of_the_built_in_texts_are_four() {
        for text in [
            include_str!("../../text/templates/agreement.zh.txt.j2"),
            include_str!("../../text/templates/agreement.en.txt.j2"),
        ] {
            assert_eq!(points(text).unwrap().len(), 4);
        }
        assert!(points("no points here").is_err());
    }
}
