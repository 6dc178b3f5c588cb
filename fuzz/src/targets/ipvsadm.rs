//! ipvsadm's command lines and rules, over a director in memory: every one has an answer with a known exit code; what
//! fails as a whole changes nothing; what is saved is what is restored.

use relvs_ipvsadm::{
    Change, ConnectionView, Denied, Director, NoNames, Refused, Restore, ServiceView, Session, apply, apply_all,
    ipvsadm, ipvsadm_restore, ipvsadm_save,
};
use relvs_model::{ServiceKey, State, Timeouts};
use std::io;

/// More lines only make it slow.
const LINES: usize = 24;

#[derive(Clone, Default)]
struct Memory {
    state: State,
}

impl Director for Memory {
    fn change(&mut self, change: &Change) -> Result<(), Denied> {
        Ok(apply(&mut self.state, change)?)
    }
    fn change_all(&mut self, changes: &[Change]) -> Result<(), (usize, Denied)> {
        apply_all(&mut self.state, changes).map_err(|(at, refused)| (at, refused.into()))
    }
    fn services(&mut self) -> Result<Vec<ServiceView>, Denied> {
        Ok(self.state.services.iter().map(ServiceView::of).collect())
    }
    fn service(&mut self, key: &ServiceKey) -> Result<ServiceView, Denied> {
        let found = self.state.services.iter().find(|service| service.key == *key);
        Ok(found.map(ServiceView::of).ok_or(Refused::NoSuchService)?)
    }
    fn timeouts(&mut self) -> Result<Timeouts, Denied> {
        Ok(self.state.timeouts)
    }
    fn size(&mut self) -> Result<u32, Denied> {
        Ok(4096)
    }
    fn connections(&mut self, _: &mut dyn FnMut(&ConnectionView) -> io::Result<()>) -> Result<(), Denied> {
        Ok(())
    }
}

type Program = fn(&mut Session<'_>, &[String]) -> io::Result<u8>;

/// Runs a program; gives its exit code and what it said.
fn answer(
    memory: &mut Memory,
    restore: Restore,
    input: &str,
    words: &[String],
    program: Program,
) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut input = input.as_bytes();
    let mut session =
        Session { director: memory, names: &NoNames, restore, input: &mut input, out: &mut out, err: &mut err };
    let exit = program(&mut session, words).expect("memory does not fail");
    let text = |bytes| String::from_utf8(bytes).expect("what is said is text");
    let (out, err) = (text(out), text(err));
    assert!(matches!(exit, 0 | 1 | 2 | 255), "{exit}: {err}");
    (exit, out, err)
}

/// The first byte says how; then command lines, or rules.
pub(super) fn run(data: &[u8]) {
    let Some((how, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let restore = if how & 2 == 0 { Restore::Atomic } else { Restore::Original };
    let mut memory = Memory::default();
    if how & 1 == 0 {
        for line in text.lines().take(LINES) {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            answer(&mut memory, restore, "", &words, |session, words| ipvsadm("ipvsadm", words, session));
        }
    } else {
        let before = memory.state.clone();
        let rules: String = text.lines().take(LINES).map(|line| format!("{line}\n")).collect();
        let (exit, _, _) = answer(&mut memory, restore, &rules, &[], |session, _| ipvsadm_restore(session));
        assert!(exit == 0 || restore == Restore::Original || memory.state == before, "half a table");
    }
    saved_is_restored(&mut memory);
}

fn saved_is_restored(memory: &mut Memory) {
    let full = ["-n".to_owned(), "--full".to_owned()];
    let save: Program = |session, words| ipvsadm_save("ipvsadm-save", words, session);
    let (exit, rules, said) = answer(memory, Restore::Atomic, "", &full, save);
    assert_eq!((exit, said.as_str()), (0, ""), "{rules}");
    let mut again = Memory::default();
    let (exit, _, said) = answer(&mut again, Restore::Atomic, &rules, &[], |session, _| ipvsadm_restore(session));
    assert_eq!((exit, said.as_str()), (0, ""), "{rules}");
    assert_eq!(again.state.services, memory.state.services, "{rules}");
    assert_eq!(again.state.timeouts, memory.state.timeouts, "{rules}");
}
