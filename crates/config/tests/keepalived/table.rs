//! docs/keepalived.md: every keyword and what becomes of it, made from the tables that the reader goes by. With
//! `RELVS_REGENERATE` it is written.

use relvs_config::keepalived::{Context, Support};
use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

const HEAD: &str = "\
# keepalived.conf: every keyword

What becomes of each keyword of `keepalived.conf(5)`, versions 2.0 to 2.4. This page is made from the tables that the reader goes by
(`crates/config/src/keepalived/keywords`). [moving-over.md](moving-over.md) tells how to move over; `relvs check keepalived.conf`
tells this of a file of yours, line by line.

| so it says | it means |
|---|---|
| works | It does what it does in keepalived. |
| works differently | It works in another way, which is told when the file is read. |
| does nothing | It is accepted and does nothing, which is told when the file is read, with the reason. |
| older word | Another word is meant, and acts. |
| gone | keepalived does not know it any more either, and leaves it out; so does relvs, with a warning. |
| unknown | Any other word is an error that names the nearest known one. It is left out, with its block. |

The language around the keywords works as a whole: comments, quotes, escapes, `include` and its variants, `include_check`, `$VAR`
with several lines and parameters, the predefined names, `@id` and `@^id`, `~SEQ` and `~LST`.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut counts = [0; 5];
    let mut sections = String::new();
    for context in Context::ALL {
        let name = context.name();
        let title = if name.is_empty() { "Outside all blocks".to_owned() } else { format!("`{name}`") };
        writeln!(sections, "\n## {title}\n\n| keyword | here | |\n|---|---|---|").unwrap();
        let mut seen = BTreeSet::new();
        for keyword in context.keywords().filter(|keyword| seen.insert(keyword.name)) {
            let (at, here, why) = match keyword.support {
                Support::Works => (0, "works", String::new()),
                Support::Differs(how) => (1, "works differently", how.to_owned()),
                Support::Ignored(why) => (2, "does nothing", why.to_owned()),
                Support::Obsolete(instead) => (3, "older word", format!("`{instead}`")),
                Support::Gone(instead) => (4, "gone", instead.to_owned()),
            };
            counts[at] += 1;
            writeln!(sections, "| `{}` | {here} | {} |", keyword.name, why.replace('|', "\\|")).unwrap();
        }
    }
    let [works, differs, ignored, older, gone] = counts;
    writeln!(
        page,
        "\nOf {} keywords, counted in each block where they may stand, {works} work, {differs} work differently, {ignored} do nothing, \
         {older} are older words, {gone} are gone.",
        counts.iter().sum::<usize>()
    )
    .unwrap();
    page + &sections
}

#[test]
fn the_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/keepalived.md");
    let page = page();
    if env::var_os("RELVS_REGENERATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == page, "docs/keepalived.md is not what the tables say; write it with RELVS_REGENERATE=1");
}
